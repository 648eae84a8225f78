import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { forEver, start, until } from './run-loop.fixture.ts'

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

test('a worker without contact for the length of a lease stops its handlers', async () => {
  const { yard, worker } = await start({ handle: forEver })
  yard.queue.push('a')
  await until(() => worker.size() === 1)
  yard.instead = (_, response) => response.destroy() !== undefined
  await until(() => worker.size() === 0)
  yard.instead = undefined
  expect(yard.settled()).toEqual([])
})
