// Steps: done once in the life of a run, whatever happens to its workers.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { expect, expectTypeOf, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { defineJob } from '#sdk/job/define-job.ts'
import { KEY, until } from '../../support/http-yard.ts'
import { jobYard } from './job-yard.ts'

test('a step that has finished is not done again by the next attempt', async () => {
  const { client, work } = await jobYard()
  const done: string[] = []
  const job = defineJob('job', {
    payload: z.object({ n: z.number() }),
    retryStrategy: 'fixed',
    retryInitialDelaySecs: 0,
    async run({ payload, run, step, finishedSteps, previousError }) {
      const before = await finishedSteps()
      const doubled = await step('double', () => {
        done.push(`double ${run.attempt}`)
        return payload.n * 2
      })
      const nothing = await step('nothing', () => void done.push(`nothing ${run.attempt}`))
      const when = await step('when', () => ({ at: new Date(0), more: undefined as string | undefined }))
      expectTypeOf(when).toEqualTypeOf<{ at: string; more: string | undefined }>()
      if (run.attempt === 1) throw new Error('not yet')
      return { doubled, nothing: nothing === undefined, when, before, previousError }
    },
  })
  await work([job]).ready
  const { run, ...outcome } = await job.triggerAndWait(client, { n: 21 })
  expect(outcome.ok && outcome.result).toEqual({
    doubled: 42,
    nothing: true,
    when: { at: '1970-01-01T00:00:00.000Z' },
    before: ['double', 'nothing', 'when'],
    previousError: 'not yet',
  })
  expect(done).toEqual(['double 1', 'nothing 1'])
  const { data: calls } = await client.listToolCalls({ run_id: run.id })
  expect(calls.map(({ step, attempt, status }) => `${step} ${attempt} ${status}`)).toEqual([
    'double 1 completed',
    'nothing 1 completed',
    'when 1 completed',
  ])
})

test('a step that fails is recorded, and done again by the next attempt with the same idempotency key', async () => {
  const { client, work } = await jobYard()
  const keys: string[] = []
  const job = defineJob('job', {
    retryStrategy: 'fixed',
    retryInitialDelaySecs: 0,
    run: ({ step, run }) =>
      step(
        'charge',
        ({ idempotencyKey }) => {
          keys.push(idempotencyKey)
          if (run.attempt === 1) throw new Error('card declined')
          return { charged: 5, receipt: 'long' }
        },
        { tool: 'stripe', input: { amount: 5 }, output: ({ charged }) => ({ charged }) },
      ),
  })
  await work([job]).ready
  const { run, ok } = await job.triggerAndWait(client, null)
  expect(ok).toBe(true)
  expect(keys).toEqual([`${run.id}:charge`, `${run.id}:charge`])
  expect((await client.listToolCalls({ run_id: run.id })).data).toMatchObject([
    { tool_name: 'stripe', step: 'charge', input: { amount: 5 }, output: { error: 'card declined' }, status: 'failed' },
    { tool_name: 'stripe', step: 'charge', input: { amount: 5 }, output: { charged: 5 }, status: 'completed' },
  ])
})

test('a result of up to a mebibyte is kept, whatever characters it has', async () => {
  const { client, work } = await jobYard()
  const text = 'grün 😀 "quoted" \\ '.repeat(20_000)
  const job = defineJob('job', {
    retryStrategy: 'fixed',
    retryInitialDelaySecs: 0,
    async run({ step, run }) {
      const kept = await step('text', () => text)
      if (run.attempt === 1) throw new Error('not yet')
      return kept === text
    },
  })
  await work([job]).ready
  expect((await job.triggerAndWait(client, null)).unwrap()).toBe(true)
})

test.for([
  ['a result over a mebibyte', () => 'x'.repeat(1024 * 1024), 'step_result_too_large', /has 1048578 bytes/],
  ['a result that is not JSON', () => ({ a: [1n] }), null, /The result of step it is not JSON: a\[0\] is a bigint/],
] as const)('%s fails the run with a reason', async ([, result, code, error]) => {
  const { client, work } = await jobYard()
  const job = defineJob('job', { maxAttempts: 1, run: ({ step }) => step('it', result as () => unknown) })
  await work([job]).ready
  const { run } = await job.triggerAndWait(client, null)
  expect(run).toMatchObject({ error_code: code, error: expect.stringMatching(error) })
})

test.for([
  [(name: string) => [name, name], 'name_taken', /The name it is used twice/],
  [() => [''], 'invalid_name', /1 to 128 characters/],
  [() => ['x'.repeat(129)], 'invalid_name', /1 to 128 characters/],
] as const)('steps with bad names fail the run for good: %#', async ([names, code, error]) => {
  const { client, work } = await jobYard()
  const job = defineJob('job', {
    async run({ step }) {
      for (const name of names('it')) await step(name, () => 1)
    },
  })
  await work([job]).ready
  const { run } = await job.triggerAndWait(client, null)
  expect(run).toMatchObject({ status: 'failed', attempt: 1, error_code: code, error: expect.stringMatching(error) })
})

test('names may hold slashes, quotes and anything else', async () => {
  const { client, work } = await jobYard()
  const names = ['a/b', '../..', 'ü "q"', 'step:x', '__proto__', 'constructor', ' ']
  const job = defineJob('job', {
    retryStrategy: 'fixed',
    retryInitialDelaySecs: 0,
    async run({ step, run }) {
      const results = []
      for (const name of names) results.push(await step(name, () => `${name} ${run.attempt}`))
      if (run.attempt === 1) throw new Error('not yet')
      return results
    },
  })
  await work([job]).ready
  expect((await job.triggerAndWait(client, null)).unwrap()).toEqual(names.map((name) => `${name} 1`))
})

test('progress, log lines and streams reach whoever follows the run', async () => {
  const { client, work } = await jobYard()
  async function* words() {
    yield 'Dear '
    yield ''
    yield 'Ada'
  }
  const job = defineJob('job', {
    async run({ progress, log, stream }) {
      await progress(50, 'writing', { step: 'draft', etaSecs: 3 })
      const text = await stream('draft').pipe(words())
      await log('written', { length: text.length }, { level: 'warn' })
      const long = stream()
      await long.write('y'.repeat(70_000))
      await long.end()
      return text
    },
  })
  await work([job]).ready
  const { run } = await job.triggerAndWait(client, null)
  const seen: unknown[] = []
  for await (const { type, data, message } of client.follow(run.id)) {
    if (type === 'stream.chunk') {
      const { stream_id, chunk, done } = data as { stream_id: string; chunk: string; done: boolean }
      seen.push(`${stream_id} ${chunk.length > 10 ? chunk.length : chunk}${done ? ' end' : ''}`)
    } else if (type === 'progress' || type === 'log') seen.push(message)
  }
  expect(run.result).toBe('Dear Ada')
  expect(seen).toEqual([
    'writing',
    'draft Dear ',
    'draft Ada',
    'draft  end',
    'written',
    'default 65536',
    'default 4464',
    'default  end',
  ])
})

test('steps that were done before a kill -9 stay done', async () => {
  const { client, address } = await jobYard()
  const start = () => {
    const child = fork(`${import.meta.dirname}/step-worker.ts`, { env: { ...process.env, URL: address, KEY } })
    onTestFinished(() => void child.kill('SIGKILL'))
    return child
  }
  const first = start()
  const [{ ready }] = await once(first, 'message')
  expect(ready).toBe(true)
  const { id } = await client.triggerRun({ job: 'three-steps', payload: null })
  await until(
    () => client.listState({ run_id: id }),
    ({ data }) => data.some(({ key }) => key === 'step:two'),
  )
  first.kill('SIGKILL')
  await once(start(), 'message')
  const run = await until(
    () => client.getRun({ run_id: id }),
    ({ finished_at }) => finished_at !== null,
    20_000,
  )
  const [one, two, three] = run.result as { pid: number }[]
  expect(run).toMatchObject({ status: 'completed', attempt: 2 })
  expect([one!.pid, two!.pid]).toEqual([first.pid, first.pid])
  expect(three!.pid).not.toBe(first.pid)
})
