// The SDK against a real node: what its own tests play with a small server, here for real.
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { type Client, createClient } from '#sdk/client.ts'
import { AttemptFailed } from '#sdk/worker/lease.ts'
import { type RunLoopOptions, startRunLoop, type Worker } from '#sdk/worker/run-loop.ts'
import { httpYard, KEY, openNode, until } from '../../support/http-yard.ts'
import { closedPort } from '../../support/local-servers.ts'

async function yard(): Promise<{ client: Client; address: string; url: string }> {
  const { address, url } = await httpYard()
  return { client: createClient({ baseUrl: address, credential: KEY }), address, url }
}

let workers = 0
function work(
  client: Client,
  handle: RunLoopOptions<unknown>['handle'],
  more: Partial<RunLoopOptions<unknown>> = {},
): Worker {
  const workerId = `w${++workers}`
  const worker = startRunLoop({ client, workerId, queues: ['default'], concurrency: 4, closeOn: [], handle, ...more })
  onTestFinished(() => worker.close())
  return worker
}

const aJob = (client: Client, more: object = {}) =>
  client.createJob({ slug: 'job', execution: 'worker', retry_strategy: 'fixed', retry_initial_delay_secs: 0, ...more })
const trigger = async (client: Client, payload: unknown = null) => (await client.triggerRun({ job: 'job', payload })).id
const ended = (client: Client, runId: string) =>
  until(
    () => client.getRun({ run_id: runId }),
    (run) => run.finished_at !== null,
  )
const inState = (client: Client, runId: string, status: string) =>
  until(
    () => client.getRun({ run_id: runId }),
    (run) => run.status === status,
  )

/** Resolves when the handler is told; what it then throws is the signal's reason. */
const untilTold = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason))
  })

test('calls of the SDK match the contract: bodies, paths, lists in queries, errors', async () => {
  const { client } = await yard()
  const job = await aJob(client, { tags: { team: 'a b' } })
  expect((await client.getJob({ job: 'job' })).id).toBe(job.id)
  const run = await client.triggerRun({ job: 'job', payload: { n: 1 }, tags: { x: 'y' } }, { idempotencyKey: 'once' })
  const again = await client.triggerRun({ job: 'job', payload: { n: 1 }, tags: { x: 'y' }, idempotency_key: 'once' })
  expect(again).toMatchObject({ id: run.id, replayed: true })
  const found = await client.listRuns({ status: ['queued', 'delayed'], tag: ['team:a b', 'x'], limit: 10 })
  expect(found.data.map((it) => it.id)).toEqual([run.id])
  expect((await client.getRun({ run_id: run.id })).payload).toEqual({ n: 1 })
  expect(await client.getRun({ run_id: run.id, include: [] })).not.toHaveProperty('payload')
  const { results } = (await client.appendEvents({ events: [{ type: 'a.happened' }, { type: 'Not A Type' }] })) as {
    results: { error?: { code: string } }[]
  }
  expect(results.map((it) => it.error?.code)).toEqual([undefined, 'invalid'])
  await expect(client.getRun({ run_id: 'a/b ü' })).rejects.toMatchObject({ status: 404, code: 'run_not_found' })
  await expect(createClient({ baseUrl: (await yard()).address, credential: 'ry_no' }).getMe()).rejects.toMatchObject({
    status: 401,
    code: 'unauthorized',
  })
})

test("an SDK worker executes a job's runs and reports their outcome", async () => {
  const { client } = await yard()
  await aJob(client, { max_attempts: 2 })
  work(client, async ({ payload, attempt, run, previousError }) => {
    await attempt.log({ message: 'begun', level: 'debug' })
    await attempt.setState({ key: 'seen', value: run.attempt })
    if (payload === 'later' && run.attempt === 1) throw new Error('not yet')
    if (payload === 'never') throw new AttemptFailed('never', { code: 'no', retryable: false })
    return { payload, previousError }
  })
  const [good, later, never] = await Promise.all(['good', 'later', 'never'].map((payload) => trigger(client, payload)))
  expect(await ended(client, good!)).toMatchObject({ status: 'completed', result: { payload: 'good' } })
  expect(await ended(client, later!)).toMatchObject({
    attempt: 2,
    result: { payload: 'later', previousError: 'not yet' },
  })
  expect(await ended(client, never!)).toMatchObject({ status: 'failed', error: 'never', error_code: 'no', attempt: 1 })
  expect((await client.getState({ run_id: later!, key: 'seen' })).value).toBe(2)
})

test('a canceled run stops its handler, whose writes are refused from then on', async () => {
  const { client } = await yard()
  await aJob(client)
  const outcome = Promise.withResolvers<unknown>()
  work(
    client,
    async ({ signal, attempt }) => {
      await untilTold(signal).catch(() => {})
      outcome.resolve({
        told: signal.reason.told,
        log: await attempt.log({ message: 'late' }).catch((error) => error.code),
      })
    },
    { leaseSecs: 5 },
  )
  const runId = await trigger(client)
  await inState(client, runId, 'executing')
  await client.cancelRun({ run_id: runId })
  expect(await outcome.promise).toEqual({ told: 'stop', log: 'run_over' })
  expect((await client.getRun({ run_id: runId })).status).toBe('canceled')
})

test('a paused run saves a checkpoint, and continues from there when it is resumed', async () => {
  const { client } = await yard()
  await aJob(client)
  work(
    client,
    async ({ signal, attempt, checkpoint }) => {
      if (checkpoint) return checkpoint.state
      await untilTold(signal).catch(() => {})
      await attempt.checkpoint({ state: { half: 'done' } })
      throw signal.reason
    },
    { leaseSecs: 5 },
  )
  const runId = await trigger(client)
  await inState(client, runId, 'executing')
  await client.pauseRun({ run_id: runId })
  await inState(client, runId, 'paused')
  await client.resumeRun({ run_id: runId })
  expect(await ended(client, runId)).toMatchObject({ status: 'completed', result: { half: 'done' } })
})

test('runs that a closing worker has not finished are returned immediately, and use up no attempt', async () => {
  const { client } = await yard()
  await aJob(client)
  const first = work(client, ({ signal }) => untilTold(signal))
  const runId = await trigger(client)
  await inState(client, runId, 'executing')
  await first.close()
  expect(await client.getRun({ run_id: runId })).toMatchObject({ status: 'queued', attempt: 1 })
  work(client, async () => 'second')
  expect(await ended(client, runId)).toMatchObject({ result: 'second', attempt: 1 })
})

test('a result that does not match the schema of its job fails the run', async () => {
  const { client } = await yard()
  await aJob(client, { result_schema: { type: 'object' } })
  work(client, async () => 'text')
  expect(await ended(client, await trigger(client))).toMatchObject({ status: 'failed', error_code: 'invalid' })
})

test('while their node restarts, a follower and a worker lose and repeat nothing', async () => {
  const { url } = await httpYard()
  const env = { PORT: String(await closedPort()) }
  const first = await openNode(url, env)
  const client = createClient({ baseUrl: first.address, credential: KEY })
  await aJob(client)
  const lines = 60
  work(client, async ({ attempt }) => {
    for (let line = 1; line <= lines; line++) {
      await attempt.log({ message: `line ${line}` })
      await delay(10)
    }
  })
  const runId = await trigger(client)
  const followed: (number | null)[] = []
  const said: (string | null)[] = []
  let second: ReturnType<typeof openNode> | undefined
  for await (const event of client.follow(runId)) {
    followed.push(event.sequence)
    if (event.type === 'log') said.push(event.message)
    if (event.message === 'line 20') second = first.close().then(() => openNode(url, env))
  }
  await second
  expect(followed).toEqual(followed.map((_, index) => index + 1))
  // A line whose answer was lost in the restart is said again, and stands there twice.
  expect(new Set(said).size).toBe(lines)
  expect(await client.getRun({ run_id: runId })).toMatchObject({ status: 'completed', attempt: 1 })
})

test('following can start anywhere, with or without stream chunks', async () => {
  const { client } = await yard()
  await aJob(client)
  work(client, async ({ attempt }) => {
    await attempt.stream({ chunk: 'one ' })
    await attempt.log({ message: 'between' })
    await attempt.stream({ chunk: 'two', done: true })
  })
  const runId = await trigger(client)
  const typesOf = async (options: Parameters<Client['follow']>[1]) => {
    const types: string[] = []
    for await (const event of client.follow(runId, options)) types.push(event.type)
    return types
  }
  const all = ['run.created', 'run.started', 'stream.chunk', 'log', 'stream.chunk', 'run.completed']
  expect(await typesOf({})).toEqual(all)
  expect(await typesOf({ afterSequence: 3 })).toEqual(all.slice(3))
  expect(await typesOf({ deltas: false })).toEqual(all.filter((type) => type !== 'stream.chunk'))
  expect(await typesOf({ afterSequence: 6 })).toEqual([])
})
