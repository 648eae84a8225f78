// Jobs as values: defined with the schemas of four libraries, registered, triggered and executed on a real node.
import { toStandardJsonSchema } from '@valibot/to-json-schema'
import { type } from 'arktype'
import { Type } from 'typebox'
import * as v from 'valibot'
import { expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import {
  AttemptFailed,
  defineJob,
  InvalidValue,
  type Job,
  type Middleware,
  RunFailed,
} from '../../../src/sdk/entry/runyard.ts'
import { registerJobs } from '../../../src/sdk/job/register-jobs.ts'
import { jobYard } from './job-yard.ts'

const greet = (schema: 'zod' | 'valibot' | 'arktype' | 'typebox') => {
  const run = ({ payload }: { payload: { name: string } }) => ({ said: `Hello, ${payload.name}` })
  const settings = { maxAttempts: 1 }
  switch (schema) {
    case 'zod':
      return defineJob('zod', { ...settings, payload: z.object({ name: z.string().min(2) }), run })
    case 'valibot': {
      const payload = toStandardJsonSchema(v.object({ name: v.pipe(v.string(), v.minLength(2)) }))
      return defineJob('valibot', { ...settings, payload, run })
    }
    case 'arktype':
      return defineJob('arktype', { ...settings, payload: type({ name: 'string >= 2' }), run })
    case 'typebox':
      return defineJob('typebox', { ...settings, payload: Type.Object({ name: Type.String({ minLength: 2 }) }), run })
  }
}

test.for(['zod', 'valibot', 'arktype', 'typebox'] as const)(
  'a payload schema of %s types the payload, and is checked by the caller, the server and the worker',
  async (schema) => {
    const { client, work } = await jobYard()
    const job = greet(schema)
    expectTypeOf(job).toExtend<Job<{ name: string }, { said: string }>>()
    await work([job]).ready
    const outcome = await job.triggerAndWait(client, { name: 'Ada' })
    expect(outcome.unwrap()).toEqual({ said: 'Hello, Ada' })
    expect((await client.getJob({ job: schema })).payload_schema).toMatchObject({
      type: 'object',
      properties: { name: { type: 'string', minLength: 2 } },
    })
    await expect(client.triggerRun({ job: schema, payload: { name: 'A' } })).rejects.toMatchObject({ status: 422 })
    const before = job.trigger(client, { name: 'A' })
    if (schema === 'typebox') await expect(before).rejects.toMatchObject({ status: 422 })
    else {
      await expect(before).rejects.toThrow(InvalidValue)
      await expect(before).rejects.toMatchObject({ code: 'invalid_payload', issues: [{ path: 'name' }] })
    }
  },
)

test('a worker refuses a payload that the server could not check, and says which field is wrong', async () => {
  const { client, work } = await jobYard()
  const job = defineJob('even', {
    payload: z.object({ numbers: z.array(z.number().refine((n) => n % 2 === 0, 'must be even')) }),
    run: ({ payload }) => payload.numbers.length,
  })
  await work([job]).ready
  const { id } = await client.triggerRun({ job: 'even', payload: { numbers: [2, 3] } })
  const outcome = await job.wait(client, id)
  expect(outcome).toMatchObject({
    ok: false,
    run: {
      status: 'failed',
      attempt: 1,
      error_code: 'invalid_payload',
      error: 'The payload is invalid: numbers[1]: must be even',
    },
  })
  expect(() => outcome.unwrap()).toThrow(RunFailed)
})

test('one worker executes several jobs, each under its own settings', async () => {
  const { client, work } = await jobYard()
  const add = defineJob('add', {
    payload: z.object({ a: z.number(), b: z.number().default(1) }),
    queue: 'sums',
    maxAttempts: 7,
    tags: { kind: 'sum' },
    cron: { expression: '0 3 1 * *', timezone: 'Europe/Berlin', missed: 'one', payload: { a: 1 } },
    concurrencyKey: ({ a }) => `a-${a}`,
    agent: 'adder',
    run: ({ payload: { a, b } }) => a + b,
  })
  const shout = defineJob('shout', { payload: z.string(), run: ({ payload }) => payload.toUpperCase() })
  await work([add, shout]).ready
  expect(await client.getJob({ job: 'add' })).toMatchObject({
    execution: 'worker',
    queue: 'sums',
    max_attempts: 7,
    cron: '0 3 1 * *',
    timezone: 'Europe/Berlin',
    cron_missed_policy: 'one',
    cron_payload: { a: 1 },
  })
  expect(await client.getJob({ job: 'shout' })).toMatchObject({ queue: 'shout', cron: null })
  const sum = await add.triggerAndWait(client, { a: 2 }, { metadata: { from: 'test' } })
  expect(sum).toMatchObject({
    ok: true,
    result: 3,
    run: { concurrency_key: 'a-2', agent_id: 'adder', tags: { kind: 'sum' }, metadata: { from: 'test' } },
  })
  expect((await shout.triggerAndWait(client, 'hey')).unwrap()).toBe('HEY')
})

test('many runs are triggered in one call, each with an answer of its own', async () => {
  const { client, work } = await jobYard()
  const double = defineJob('double', { payload: z.number(), run: ({ payload }) => payload * 2 })
  await work([double]).ready
  const numbers = Array.from({ length: 520 }, (_, index) => index)
  const triggered = await double.triggerMany(
    client,
    numbers.map((n) => ({ payload: n, idempotencyKey: `n${n % 510}` })),
  )
  expect(triggered).toHaveLength(520)
  expect(triggered.filter((it) => it.ok && !it.replayed)).toHaveLength(510)
  expect(triggered.slice(510).filter((it) => it.ok)).toEqual([])
  const last = triggered[509]!
  expect(last.ok && (await double.wait(client, last.run.id)).unwrap()).toBe(1018)
  const invalid = double.triggerMany(client, [{ payload: 1 }, { payload: 'x' as never }])
  await expect(invalid).rejects.toMatchObject({ issues: [{ path: '[1]' }] })
})

test('a definition that differs changes the job, and the difference is logged', async () => {
  const { client, work, lines } = await jobYard()
  const v1 = defineJob('job', { maxAttempts: 3, cron: '0 3 * * *', run: () => 1 })
  await work([v1]).ready
  expect(lines).toEqual(['Job job was created, with queue job'])
  await client.updateJob({ job: 'job', max_concurrency: 5 })
  const v2 = defineJob('job', { maxAttempts: 4, description: 'Now with words', run: () => 2 })
  await work([v2], { register: 'missing' }).ready
  expect(await client.getJob({ job: 'job' })).toMatchObject({ max_attempts: 3, cron: '0 3 * * *' })
  await work([v2]).ready
  await work([v2]).ready
  expect(await client.getJob({ job: 'job' })).toMatchObject({
    version: 3,
    max_attempts: 4,
    cron: null,
    description: 'Now with words',
    max_concurrency: 5,
  })
  expect(lines.slice(1)).toEqual([
    'Job job: max_attempts was 3, and is now 4 (version 3)',
    'Job job: description was "", and is now "Now with words" (version 3)',
    'Job job: cron was "0 3 * * *", and is now null (version 3)',
  ])
})

/** With a look-ahead, which the server does not run. */
const ADDRESS = z.string().regex(/^(?!.*[.]{2})\S+@\S+$/)

test('secrets in headers are not logged, and make no new version while they stay the same', async () => {
  const { client, lines } = await jobYard()
  const registered = async (Authorization: string) => {
    const endpoint = { endpointUrl: 'http://127.0.0.1:9000/', endpointHeaders: { Authorization, 'X-Plain': 'p' } }
    const log = { info: (line: string) => void lines.push(line), warn: (line: string) => void lines.push(line) }
    await registerJobs(client, [defineJob('signed', { ...endpoint, run: () => 1 })], { registration: true, log })
    return (await client.getJob({ job: 'signed' })).version
  }
  expect(await registered('Bearer one')).toBe(1)
  expect(await registered('Bearer one')).toBe(1)
  expect(await registered('Bearer two')).toBe(2)
  expect(lines).toEqual([
    'Job signed was created, with queue signed',
    'Job signed: endpoint_headers was Authorization, X-Plain, and is now Authorization, X-Plain (version 2)',
  ])
})

test('only the schema that the server refuses is left out of the job', async () => {
  const { client, lines, work } = await jobYard()
  const job = defineJob('halves', {
    payload: z.object({ to: ADDRESS }),
    result: z.object({ sent: z.boolean() }),
    run: () => ({ sent: true }),
  })
  await work([job]).ready
  expect(lines.join('\n')).toContain('does not take a schema of job halves')
  expect(await client.getJob({ job: 'halves' })).toMatchObject({
    payload_schema: null,
    result_schema: { type: 'object', properties: { sent: { type: 'boolean' } } },
  })
})

test('a schema that the server does not run is left to the workers', async () => {
  const { client, work, lines } = await jobYard()
  const job = defineJob('mail', { payload: z.object({ to: ADDRESS }), run: ({ payload }) => payload.to })
  await work([job]).ready
  expect(lines.join('\n')).toMatch(/does not take a schema of job mail/)
  await expect(job.trigger(client, { to: 'nobody' })).rejects.toThrow(InvalidValue)
  expect((await job.triggerAndWait(client, { to: 'a@example.com' })).unwrap()).toBe('a@example.com')
})

test('a definition is refused where it is wrong', () => {
  const run = () => 1
  expect(() => defineJob('Not A Slug', { run })).toThrow(/name of a job/)
  expect(() => defineJob('job', { run, maxAttempt: 3 } as never)).toThrow(
    'Job job has an unknown setting: maxAttempt. Did you mean maxAttempts?',
  )
  expect(() => defineJob('job', { run, max_attempts: 3 } as never)).toThrow('Did you mean maxAttempts?')
  expect(() => defineJob('job', { run, timezone: 'UTC' } as never)).toThrow(/Write cron: {/)
  expect(() => defineJob('job', {} as never)).toThrow('Job job needs a function as run')
  expect(() => defineJob('job', { run, payload: 'string' as never })).toThrow('payload must be a schema')
})

test('a worker refuses jobs that it cannot tell apart', async () => {
  const { work, client } = await jobYard()
  const job = defineJob('job', { run: () => 1 })
  expect(() => work([job, job])).toThrow('Two jobs are named job')
  expect(() => work([])).toThrow('at least one job')
  const many = Array.from({ length: 65 }, (_, index) => defineJob(`job-${index}`, { run: () => 1 }))
  expect(() => work(many)).toThrow(/65 queues are too many/)
  const stranger = defineJob('stranger', { queue: 'job', run: () => 'never here' })
  await client.createJob({ slug: 'stranger', execution: 'worker', queue: 'job' })
  await work([job]).ready
  const run = await stranger.trigger(client, null)
  await work([stranger]).ready
  expect((await stranger.wait(client, run.id)).unwrap()).toBe('never here')
})

test('what is thrown tells its causes, and what is not an error is told as well', async () => {
  const { client, work } = await jobYard()
  const job = defineJob('thrower', {
    payload: z.string(),
    maxAttempts: 1,
    run({ payload }) {
      if (payload === 'causes') {
        throw new Error('could not bill', { cause: new Error('no connection', { cause: new Error('ECONNREFUSED') }) })
      }
      if (payload === 'coded') throw new AttemptFailed('out of paper', { code: 'no_paper', retryable: false })
      if (payload === 'object') throw { reason: 7 }
      if (payload === 'map') return new Map([[1, 2]])
      throw undefined
    },
  })
  await work([job]).ready
  const errorOf = async (payload: string) => {
    const { run } = await job.triggerAndWait(client, payload)
    return run.error
  }
  expect(await errorOf('causes')).toBe('could not bill: no connection: ECONNREFUSED')
  expect(await errorOf('coded')).toBe('out of paper')
  expect(await errorOf('object')).toBe('{"reason":7}')
  expect(await errorOf('nothing')).toBe('The handler threw nothing')
  expect(await errorOf('map')).toBe('The result is not JSON: it is a Map')
})

test('middleware goes around the code of a job, and adds to what it is given', async () => {
  const { client, work } = await jobYard()
  const order: string[] = []
  const withDb: Middleware<{ db: { name: string } }> = async (_, next) => {
    order.push('job opens')
    const result = await next({ db: { name: 'main' } })
    order.push('job closes')
    return result
  }
  const job = defineJob('job', {
    middleware: [withDb],
    run({ db, traceparent }) {
      order.push('runs')
      expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
      return db.name
    },
  })
  await work([job], {
    middleware: [
      async ({ run }, next) => {
        order.push(`worker opens ${run.job_slug}`)
        return { wrapped: await next() }
      },
    ],
  }).ready
  expect((await job.triggerAndWait(client, null)).unwrap()).toEqual({ wrapped: 'main' })
  expect(order).toEqual(['worker opens job', 'job opens', 'runs', 'job closes'])
})
