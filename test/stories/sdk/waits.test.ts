// Waits of jobs on a real node: they rest the run, survive their workers, and are the same in every attempt.
import { expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { createClient } from '#sdk/client.ts'
import { defineJob } from '#sdk/job/define-job.ts'
import { registerJobs } from '#sdk/job/register-jobs.ts'
import { ChildFailed, WaitTimedOut } from '#sdk/steps/wait.ts'
import { until } from '../../support/http-yard.ts'
import { jobYard } from './job-yard.ts'

const SILENT = { info: () => {}, warn: () => {} }

test('a run sleeps without a worker, and goes on where it was', async () => {
  const { client, work } = await jobYard()
  const entries: number[] = []
  const job = defineJob('job', {
    async run({ step, sleep, run }) {
      entries.push(run.attempt)
      const before = await step('before', () => Date.now())
      await sleep('short', 0.3)
      await sleep('past', { until: new Date(0) })
      return Date.now() - before
    },
  })
  await work([job]).ready
  const outcome = await job.triggerAndWait(client, null)
  expect(outcome.unwrap()).toBeGreaterThanOrEqual(300)
  expect(entries).toEqual([1, 1])
})

test('an event is waited for by its key, even one that came before', async () => {
  const { client, work } = await jobYard()
  const job = defineJob('job', {
    async run({ waitFor }) {
      const early = await waitFor('paid/42', { payload: z.object({ amount: z.number() }) })
      expectTypeOf(early).toEqualTypeOf<{ amount: number }>()
      const late = await waitFor('shipped')
      return [early, late]
    },
  })
  await work([job]).ready
  await client.sendEvent({ event_key: 'paid/42', payload: { amount: 3 } })
  const { id } = await job.trigger(client, null)
  await until(
    () => client.getRun({ run_id: id }),
    ({ status }) => status === 'waiting',
  )
  await client.sendEvent({ event_key: 'shipped', payload: 'today' })
  expect((await job.wait(client, id)).unwrap()).toEqual([{ amount: 3 }, 'today'])
})

test('an event that does not come in time is a WaitTimedOut, which the code may take for an answer', async () => {
  const { client, work } = await jobYard()
  const tolerant = defineJob('tolerant', {
    run: ({ waitFor }) =>
      waitFor('never', { timeoutSecs: 0.2 }).then(undefined, (error) => error instanceof WaitTimedOut),
  })
  const strict = defineJob('strict', { run: ({ waitFor }) => waitFor('never', { timeoutSecs: 0.2 }) })
  await work([tolerant, strict]).ready
  expect((await tolerant.triggerAndWait(client, null)).unwrap()).toBe(true)
  expect((await strict.triggerAndWait(client, null)).run).toMatchObject({
    status: 'failed',
    attempt: 1,
    error_code: 'wait_timeout',
    error: 'The wait never timed out',
  })
})

test('children run side by side, rest their parent, and are the same after a crash of it', async () => {
  const { client, work } = await jobYard()
  const half = defineJob('half', {
    payload: z.number(),
    maxAttempts: 1,
    run: ({ payload }) => {
      if (payload < 0) throw new Error('negative')
      return payload / 2
    },
  })
  const parent = defineJob('parent', {
    retryStrategy: 'fixed',
    retryInitialDelaySecs: 0,
    async run({ child, all, allSettled, run }) {
      const numbers = await all([child('a', half, 2), child('b', half, 4)])
      expectTypeOf(numbers).toEqualTypeOf<[number, number]>()
      const early = child('c', half, 8)
      const id = await early.start()
      if (run.attempt === 1) throw new Error('crash')
      const [good, bad] = await allSettled([early, child('d', 'half', -1)])
      return {
        numbers,
        id,
        good,
        bad: bad.status === 'rejected' && bad.reason instanceof ChildFailed && bad.reason.message,
      }
    },
  })
  await work([half, parent]).ready
  const { run } = await parent.triggerAndWait(client, null)
  const { data: children } = await client.listChildren({ run_id: run.id })
  expect(children).toHaveLength(4)
  const failed = children.find(({ status }) => status !== 'completed')!
  expect(run).toMatchObject({
    status: 'completed',
    attempt: 2,
    result: {
      numbers: [1, 2],
      good: { status: 'fulfilled', value: 4 },
      bad: `Child run ${failed.id} ended as ${failed.status}: negative`,
    },
  })
  expect(children.map(({ id }) => id)).toContain((run.result as { id: string }).id)
})

test('a worker whose key only works on runs gets results of children of any size', async () => {
  const { client, work, address } = await jobYard()
  const large = 'x'.repeat(100_000)
  const leaf = defineJob('leaf', { run: () => large })
  const root = defineJob('root', { run: async ({ child }) => (await child('leaf', leaf, null)).length })
  const { key } = await client.createKey({ name: 'worker', scopes: ['workers'] })
  for (const job of [leaf, root]) await registerJobs(client, [job], { registration: true, log: SILENT })
  await work([leaf, root], { client: createClient({ baseUrl: address, credential: key }), register: false }).ready
  expect((await root.triggerAndWait(client, null)).unwrap()).toBe(large.length)
})

test('a worker with a single slot has room for the children that it waits for', async () => {
  const { client, work } = await jobYard()
  const leaf = defineJob('leaf', { queue: 'one', run: () => 'leaf' })
  const root = defineJob('root', { queue: 'one', run: ({ child }) => child('leaf', leaf, null) })
  await work([leaf, root], { concurrency: 1 }).ready
  expect((await root.triggerAndWait(client, null)).unwrap()).toBe('leaf')
})

test('the first of several waits decides, and the others go on', async () => {
  const { client, work } = await jobYard()
  const job = defineJob('job', {
    async run({ waitFor, any }) {
      const { index, value } = await any([waitFor('slow'), waitFor('fast')])
      return { index, value }
    },
  })
  await work([job]).ready
  const { id } = await job.trigger(client, null)
  await until(
    () => client.getRun({ run_id: id }),
    ({ status }) => status === 'waiting',
  )
  await client.sendEvent({ event_key: 'fast', payload: 7 })
  expect((await job.wait(client, id)).unwrap()).toEqual({ index: 1, value: 7 })
})

test('a person is asked once, and the answer is the same in every attempt', async () => {
  const { client, work } = await jobYard()
  const job = defineJob('job', {
    retryStrategy: 'fixed',
    retryInitialDelaySecs: 0,
    async run({ ask, run }) {
      const send = await ask('send', {
        prompt: 'Send it?',
        params: { text: 'Hi', to: 'Ada' },
        editable: ['text'],
        assignee: 'lead',
      })
      if (run.attempt === 1) throw new Error('crash')
      const stars = await ask('stars', { prompt: 'How many?', answer: z.int().max(5) })
      expectTypeOf(stars).toEqualTypeOf<number>()
      const late = await ask('late', { prompt: 'Now?', expiresInSecs: 1, onExpiry: { approved: true } })
      return { send, stars, late: late.approved && !late.answered }
    },
  })
  await work([job]).ready
  const { id } = await job.trigger(client, null)
  const next = async (prompt: string) => {
    const { data } = await until(
      () => client.listInputs({ status: 'pending' }),
      (page) => page.data[0]?.prompt === prompt,
    )
    return data[0]!
  }
  const asked = await next('Send it?')
  expect(asked).toMatchObject({ key: 'send', assignee: 'lead', editable_params: ['text'] })
  await client.answerInput({ input_request_id: asked.id, approved: true, params: { text: 'Hello' } })
  const stars = await next('How many?')
  const tooMany = client.answerInput({ input_request_id: stars.id, feedback: 6 })
  await expect(tooMany).rejects.toMatchObject({ status: 422 })
  await client.answerInput({ input_request_id: stars.id, feedback: 4 })
  expect((await job.wait(client, id)).unwrap()).toEqual({
    send: { approved: true, feedback: null, params: { text: 'Hello', to: 'Ada' }, answered: true },
    stars: 4,
    late: true,
  })
  expect((await client.listRunInputs({ run_id: id })).data).toHaveLength(3)
})
