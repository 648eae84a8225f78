import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { AttemptFailed, AttemptStopped, ReturnRun } from './lease.ts'
import { forEver, start, until } from './run-loop.fixture.ts'

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
