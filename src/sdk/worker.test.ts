import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { httpServer } from '#test/support/local-servers.ts'
import { createClient } from './client.ts'
import type { Handling } from './execute.ts'
import { AttemptFailed, AttemptStopped, ReturnRun } from './lease.ts'
import { startWorker, type WorkerOptions } from './worker.ts'

type Settled = { run_id: string; lease_token: string; outcome: string; [more: string]: unknown }
type Told = 'continue' | 'pause' | 'stop' | 'drain'

/** The worker routes of a server, without one: runs to claim, what to tell, and what was settled in which batches. */
function fakeYard() {
  const yard = {
    queue: [] as string[],
    told: new Map<string, Told>(),
    refuse: new Map<string, { code: string; message: string }>(),
    beats: [] as string[][],
    batches: [] as Settled[][],
    calls: [] as { url: string; authorization: string | undefined; body: unknown }[],
    claims: 0,
    /** Answers instead of the yard while it is set. */
    instead: undefined as ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined,
    settled: () => yard.batches.flat(),
    claimed: (id: string, leaseSecs: number) => ({
      run: { id, attempt: 1 },
      payload: { name: id },
      lease_token: `lease-${id}`,
      lease_expires_in_ms: leaseSecs * 1000,
      run_token: `token-${id}`,
      checkpoint: null,
      previous_error: null,
    }),
  }
  const routes: Record<string, (body: never) => unknown> = {
    '/v1/workers/claim': ({ limit, lease_secs }: { limit: number; lease_secs: number }) => {
      yard.claims++
      return { runs: yard.queue.splice(0, limit).map((id) => yard.claimed(id, lease_secs)) }
    },
    '/v1/workers/heartbeat': ({ leases }: { leases: Settled[] }) => {
      yard.beats.push(leases.map((lease) => lease.run_id))
      return {
        leases: leases.map(({ run_id }) => ({
          run_id,
          told: yard.told.get(run_id) ?? 'continue',
          lease_expires_in_ms: 5000,
        })),
      }
    },
    '/v1/workers/settle': ({ settlements }: { settlements: Settled[] }) => {
      yard.batches.push(settlements)
      return {
        results: settlements.map(({ run_id, outcome }) =>
          outcome === 'completed' && yard.refuse.has(run_id)
            ? { run_id, status: null, error: yard.refuse.get(run_id) }
            : { run_id, status: 'completed' },
        ),
      }
    },
  }
  return { yard, routes }
}

async function start<Payload>(options: Partial<WorkerOptions<Payload>> & Pick<WorkerOptions<Payload>, 'handle'>) {
  const { yard, routes } = fakeYard()
  const { url } = await httpServer(async (request, response) => {
    const body = await text(request)
    if (yard.instead?.(request, response)) return
    const path = request.url ?? ''
    const route = routes[path]
    if (route) return void response.end(JSON.stringify(route((body ? JSON.parse(body) : {}) as never)))
    yard.calls.push({ url: path, authorization: request.headers.authorization, body: JSON.parse(body) })
    response.writeHead(201).end('{}')
  })
  const errors: unknown[] = []
  const worker = startWorker({
    client: createClient({ baseUrl: url, credential: 'key' }),
    workerId: 'w',
    queues: ['q'],
    concurrency: 2,
    leaseSecs: 1,
    waitSecs: 0,
    graceMs: 50,
    closeOn: [],
    onError: (error) => void errors.push(error),
    ...options,
  })
  onTestFinished(() => worker.close())
  return { yard, worker, errors }
}

const until = (fact: () => boolean) => vi.waitFor(() => expect(fact()).toBe(true), { timeout: 10_000, interval: 10 })
const forEver = ({ signal }: Handling<unknown>): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason))
  })

test('what a handler returns is the result, and what it throws is the failure', async () => {
  const { yard } = await start<{ name: string }>({
    async handle({ payload: { name } }) {
      if (name === 'plain') throw new Error('it broke')
      if (name === 'for good') throw new AttemptFailed('no such folder', { code: 'no_folder', retryable: false })
      if (name === 'later') throw new ReturnRun()
      return name === 'nothing' ? undefined : { done: name }
    },
  })
  yard.queue.push('good', 'nothing', 'plain', 'for good', 'later')
  await until(() => yard.settled().length === 5)
  const byRun = Object.fromEntries(yard.settled().map(({ run_id, lease_token: _, ...rest }) => [run_id, rest]))
  expect(byRun).toEqual({
    good: { outcome: 'completed', result: { done: 'good' } },
    nothing: { outcome: 'completed' },
    plain: { outcome: 'failed', error: 'it broke' },
    'for good': { outcome: 'failed', error: 'no such folder', error_code: 'no_folder', retryable: false },
    later: { outcome: 'returned' },
  })
})

test('a worker claims no more runs at once than its concurrency', async () => {
  let most = 0
  const { yard, worker } = await start({
    async handle() {
      most = Math.max(most, worker.size())
      await delay(20)
    },
  })
  yard.queue.push(...Array.from({ length: 9 }, (_, index) => `r${index}`))
  await until(() => yard.settled().length === 9)
  expect(most).toBe(2)
})

test('runs that end together are settled together', async () => {
  const go = Promise.withResolvers<void>()
  const { yard, worker } = await start({ concurrency: 20, handle: () => go.promise })
  yard.queue.push(...Array.from({ length: 20 }, (_, index) => `r${index}`))
  await until(() => worker.size() === 20)
  go.resolve()
  await until(() => yard.settled().length === 20)
  expect(yard.batches.length).toBeLessThan(4)
})

test('one heartbeat renews all leases, and continues while they are held', async () => {
  const { yard, worker, errors } = await start({ leaseSecs: 5, handle: forEver })
  yard.queue.push('a', 'b')
  await until(() => yard.beats.filter((beat) => beat.length === 2).length >= 3)
  expect(worker.size()).toBe(2)
  expect(errors).toEqual([])
})

test('a handler that is told to stop settles nothing', async () => {
  const told: unknown[] = []
  const { yard, worker } = await start({
    async handle({ signal }) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      told.push(signal.reason)
      throw signal.reason
    },
  })
  yard.told.set('a', 'stop')
  yard.queue.push('a')
  await until(() => told.length === 1)
  await until(() => worker.size() === 0)
  expect(told[0]).toBeInstanceOf(AttemptStopped)
  expect(told[0]).toMatchObject({ told: 'stop' })
  expect(yard.settled()).toEqual([])
})

test('a handler that is told to pause is settled as paused, unless it finishes', async () => {
  const { yard } = await start<{ name: string }>({
    handle: (handling) =>
      forEver(handling).catch((reason) => {
        if (handling.payload.name === 'quick') return 'done'
        throw reason
      }),
  })
  yard.told.set('slow', 'pause').set('quick', 'pause')
  yard.queue.push('slow', 'quick')
  await until(() => yard.settled().length === 2)
  expect(
    yard
      .settled()
      .map(({ run_id, outcome }) => `${run_id} ${outcome}`)
      .sort(),
  ).toEqual(['quick completed', 'slow paused'])
})

test('an attempt calls with its own token, and a stale lease stops its handler', async () => {
  const seen = Promise.withResolvers<unknown>()
  const { yard } = await start({
    async handle({ attempt, signal }) {
      await attempt.log({ message: 'one' })
      yard.instead = (request, response) => {
        if (!request.url?.endsWith('/progress')) return false
        response.writeHead(409).end(JSON.stringify({ error: { code: 'stale_lease', message: 'Gone.' } }))
        return true
      }
      await attempt.progress({ percent: 1 }).catch(() => {})
      seen.resolve(signal.reason)
    },
  })
  yard.queue.push('a')
  expect(await seen.promise).toMatchObject({ told: 'stop' })
  expect(yard.calls).toEqual([{ url: '/v1/runs/a/log', authorization: 'Bearer token-a', body: { message: 'one' } }])
  expect(yard.settled()).toEqual([])
})

test('closing a worker returns unfinished runs immediately, and claims no more', async () => {
  const { yard, worker } = await start({ handle: () => new Promise(() => {}) })
  yard.queue.push('a', 'b', 'c')
  await until(() => worker.size() === 2)
  const beganMs = performance.now()
  await worker.close()
  expect(performance.now() - beganMs).toBeLessThan(1000)
  expect(yard.settled().map(({ run_id, outcome }) => `${run_id} ${outcome}`)).toEqual(['a returned', 'b returned'])
  expect(yard.queue).toEqual(['c'])
  await worker.closed
})

test('runs that arrive while the worker closes are returned without being started', async () => {
  let begun = false
  const { yard, worker } = await start({
    async handle() {
      begun = true
    },
  })
  await until(() => yard.claims > 0)
  const asked = Promise.withResolvers<void>()
  yard.instead = (request, response) => {
    if (!request.url?.endsWith('/claim')) return false
    asked.resolve()
    setTimeout(() => response.end(JSON.stringify({ runs: [yard.claimed('late', 5)] })), 30)
    return true
  }
  await asked.promise
  await worker.close()
  expect(begun).toBe(false)
  expect(yard.settled()).toMatchObject([{ run_id: 'late', outcome: 'returned' }])
})

test('closing a worker lets a handler that needs a moment finish, and settles it once', async () => {
  const { yard, worker } = await start({
    graceMs: 5_000,
    handle: (handling) => forEver(handling).catch(() => delay(20, 'done')),
  })
  yard.queue.push('a')
  await until(() => worker.size() === 1)
  await worker.close()
  expect(yard.settled()).toMatchObject([{ run_id: 'a', outcome: 'completed', result: 'done' }])
})

test('a result that the server refuses fails the run instead of leaving it hanging', async () => {
  const { yard } = await start({ handle: async () => 'bad' })
  yard.refuse.set('a', { code: 'invalid', message: 'result must be object' })
  yard.queue.push('a')
  await until(() => yard.settled().length === 2)
  expect(yard.settled()[1]).toMatchObject({ outcome: 'failed', error_code: 'invalid', retryable: false })
})

test('a server that is unavailable for a while costs no result', async () => {
  const { yard, errors } = await start({ handle: async () => 'kept' })
  yard.queue.push('a')
  let refused = 0
  yard.instead = (request, response) => {
    if (!request.url?.endsWith('/settle') || refused === 2) return false
    refused++
    response.destroy()
    return true
  }
  await until(() => yard.settled().length === 1)
  expect(yard.settled()).toMatchObject([{ outcome: 'completed', result: 'kept' }])
  expect(errors).toHaveLength(2)
})

test('a worker without contact for the length of a lease stops its handlers', async () => {
  const { yard, worker } = await start({ handle: forEver })
  yard.queue.push('a')
  await until(() => worker.size() === 1)
  yard.instead = (_, response) => response.destroy() !== undefined
  await until(() => worker.size() === 0)
  yard.instead = undefined
  expect(yard.settled()).toEqual([])
})

test('an event loop that was blocked for half a lease loses no lease', async () => {
  const { yard, worker } = await start({ leaseSecs: 2, handle: forEver })
  yard.queue.push('a')
  await until(() => worker.size() === 1)
  const untilMs = performance.now() + 1_000
  while (performance.now() < untilMs);
  const before = yard.beats.length
  await until(() => yard.beats.length > before)
  expect(worker.size()).toBe(1)
})

test('a claim that returns early is not repeated in a busy loop', async () => {
  const { yard } = await start({ handle: async () => {} })
  await delay(600)
  expect(yard.claims).toBeLessThan(5)
})

test('a worker whose key is refused ends with that error', async () => {
  const { yard, worker } = await start({ handle: async () => {} })
  yard.instead = (_, response) => {
    response.writeHead(401).end(JSON.stringify({ error: { code: 'unauthorized', message: 'No.' } }))
    return true
  }
  await expect(worker.closed).rejects.toMatchObject({ code: 'unauthorized' })
})
