// The hooks in React itself, on a page without a browser, against a real node.
import { Window } from 'happy-dom'
import { act, createElement, StrictMode } from 'react'
import type { Root } from 'react-dom/client'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { type Client, createClient } from '#sdk/client.ts'
import { type ChunksState, useChunks } from '#sdk/react/use-chunks.ts'
import { type RunState, useRun } from '#sdk/react/use-run.ts'
import { asAttempt, claimOne, settleOne, workerJob } from '../../support/builders/attempts.ts'
import { testDatabase } from '../../support/db.ts'
import { callerOf, KEY, openNode, until } from '../../support/http-yard.ts'

let browser: Window
let createRoot: typeof import('react-dom/client').createRoot
beforeAll(async () => {
  browser = new Window()
  Object.assign(globalThis, { window: browser, document: browser.document, IS_REACT_ACT_ENVIRONMENT: true })
  ;({ createRoot } = await import('react-dom/client'))
})

/** A run that a worker has begun, and a client that may only look at it. */
async function runYard() {
  const { url } = await testDatabase()
  const node = await openNode(url)
  const call = callerOf(node.address)
  await call('POST', '/v1/jobs', workerJob('job', { queue: 'job' }))
  const { id } = (await call('POST', '/v1/jobs/job/runs', {})).body
  const { token } = (await call('POST', `/v1/runs/${id}/tokens`, {})).body
  return { node, url, call, id: id as string, client: createClient({ baseUrl: node.address, credential: token }) }
}

type Seen = { run: RunState; chunks: ChunksState }

/** A page with a component that looks at a run; `again` is another component that looks at the same. */
async function page(client: Client, id: string | undefined, copies = 1) {
  const seen: Seen[] = []
  function Watcher() {
    const it = { run: useRun(client, id), chunks: useChunks(client, id) }
    seen.push(it)
    return null
  }
  const root: Root = createRoot(browser.document.createElement('div') as never)
  const watchers = Array.from({ length: copies }, (_, key) => createElement(Watcher, { key }))
  await act(async () => root.render(createElement(StrictMode, null, ...watchers)))
  const unmount = () => act(async () => root.unmount())
  onTestFinished(unmount)
  const shows = (wanted: (it: Seen) => boolean) => until(async () => act(async () => seen.at(-1)!), wanted)
  return { seen, shows, unmount }
}

test('a component shows a run, its progress and its text while it works, and its result in the end', async () => {
  const { call, id, client } = await runYard()
  const { shows, seen } = await page(client, id)
  await shows(({ run }) => run.run?.status === 'queued')
  const it = await claimOne(call, 'job')
  await shows(({ run }) => run.run?.status === 'executing')
  await asAttempt(call, it, 'progress', { percent: 40, message: 'writing' })
  await shows(({ run }) => run.progress?.percent === 40 && run.progress.message === 'writing')
  for (const chunk of ['Hel', 'lo']) await asAttempt(call, it, 'stream', { chunk })
  await asAttempt(call, it, 'stream', { chunk: 'other', stream_id: 'notes' })
  await shows(({ chunks }) => chunks.text === 'Hello' && !chunks.isDone)
  await asAttempt(call, it, 'stream', { chunk: '!', done: true })
  await settleOne(call, it, { outcome: 'completed', result: { said: 'Hello!' } })
  const end = await shows(({ run, chunks }) => run.run?.status === 'completed' && chunks.isDone)
  expect(end.run.run!.result).toEqual({ said: 'Hello!' })
  expect(end.chunks).toEqual({ text: 'Hello!', isDone: true, error: undefined })
  expect(seen.some(({ chunks }) => chunks.text.includes('other'))).toBe(false)
})

test('text goes on where it was when the node comes back', async () => {
  const { call, id, node, url, client } = await runYard()
  const { shows } = await page(client, id)
  const it = await claimOne(call, 'job')
  await asAttempt(call, it, 'stream', { chunk: 'before ' })
  await shows(({ chunks }) => chunks.text === 'before ')
  const { port } = new URL(node.address)
  await node.close()
  await openNode(url, { PORT: port })
  await asAttempt(call, it, 'stream', { chunk: 'after', done: true })
  await shows(({ chunks }) => chunks.isDone)
  const { chunks } = await shows(({ chunks: now }) => now.text === 'before after')
  expect(chunks.error).toBeUndefined()
})

test('components share one connection, and nothing is left open when the last of them is gone', async () => {
  const { call, id, client } = await runYard()
  let open = 0
  let most = 0
  const counted: Client = {
    ...client,
    async *follow(...args) {
      most = Math.max(most, ++open)
      try {
        yield* client.follow(...args)
      } finally {
        open--
      }
    },
  }
  const { shows, unmount } = await page(counted, id, 3)
  const it = await claimOne(call, 'job')
  await asAttempt(call, it, 'stream', { chunk: 'text' })
  await shows(({ chunks, run }) => chunks.text === 'text' && run.run?.status === 'executing')
  expect(open).toBe(2)
  await unmount()
  await until(
    async () => open,
    (count) => count === 0,
  )
  // StrictMode mounts everything twice.
  expect(most).toBeLessThanOrEqual(4)
})

test('a run that the token is not for is an error, and no id is nothing', async () => {
  const { call, client } = await runYard()
  const other = (await call('POST', '/v1/jobs/job/runs', {})).body
  const { shows } = await page(client, other.id)
  const { run } = await shows((it) => it.run.error !== undefined && it.chunks.error !== undefined)
  expect(run.error).toMatchObject({ code: 'run_not_found' })
  const idle = await page(createClient({ baseUrl: 'http://127.0.0.1:1', credential: KEY }), undefined)
  expect(idle.seen.at(-1)).toEqual({
    run: { run: undefined, progress: undefined, lastEvent: undefined, error: undefined },
    chunks: { text: '', isDone: false, error: undefined },
  })
})
