import { expect, test } from 'vitest'
import { KEY, until } from '../../support/http-yard.ts'
import { type Watching, watch } from '../../support/sse-client.ts'
import { addWorkerJob, claimOne, executing, settle } from '../../support/strait-attempts.ts'
import { RFC3339, straitYard } from '../../support/strait-yard.ts'

// biome-ignore lint/suspicious/noExplicitAny: a frame holds whatever the test says it does.
type Seen = { id: string; event: string | undefined; data: any }

function follow(address: string, path: string, lastEventId?: string): Watching & { frames: Seen[] } {
  const frames: Seen[] = []
  const watching = watch({
    url: `${address}/strait${path}`,
    key: KEY,
    lastEventId,
    onFrame: ({ id, event, data }) => frames.push({ id, event, data: JSON.parse(data) }),
  })
  return { ...watching, frames }
}

const changes = (frames: Seen[]) =>
  frames.filter(({ data }) => data.type === 'status_change').map(({ data }) => `${data.from} -> ${data.to}`)

test('a run is streamed from its first event to its last, in data frames only', async () => {
  const { call, native, address } = await straitYard()
  const jobId = await addWorkerJob(native, 'j')
  const { id } = (await native('POST', '/v1/jobs/j/runs', {})).body
  const following = follow(address, `/v1/runs/${id}/stream`)
  const attempt = await claimOne(native, call, 'j')
  await attempt.sdk('POST', '/log', { level: 'warn', message: 'a line\nand \u0001 another', data: { n: 1 } })
  await attempt.sdk('POST', '/progress', { percent: 50, message: 'half' })
  await attempt.sdk('POST', '/stream', { chunk: 'not here' })
  await attempt.sdk('POST', '/fail', { error: 'no luck' })
  expect(await following.ended).toBe('ended')
  const { frames } = following
  expect(frames.map((frame) => frame.event)).toEqual(frames.map(() => undefined))
  expect(frames.map((frame) => Number(frame.id))).toEqual([1, 2, 3, 4, 6])
  const run = { run_id: id, timestamp: RFC3339 }
  expect(frames.map((frame) => frame.data)).toEqual([
    expect.objectContaining({ type: 'event', event_type: 'run.created', ...run }),
    { type: 'status_change', ...run, job_id: jobId, project_id: 'default', from: 'queued', to: 'executing' },
    {
      type: 'event',
      event_type: 'log',
      ...run,
      level: 'warn',
      message: 'a line\nand \u0001 another',
      data: { n: 1 },
    },
    { type: 'event', event_type: 'progress', ...run, level: 'info', message: 'half', data: { percent: 50 } },
    {
      type: 'status_change',
      ...run,
      job_id: jobId,
      project_id: 'default',
      from: 'executing',
      to: 'failed',
      error: 'no luck',
    },
  ])
})

test('a client that was cut off resumes after what it has seen, by header or by parameter', async () => {
  const { native, call, address } = await straitYard()
  await addWorkerJob(native, 'j')
  const { sdk, runId } = await executing(native, call, 'j')
  await sdk('POST', '/log', { message: 'one' })
  await sdk('POST', '/log', { message: 'two' })
  const first = follow(address, `/v1/runs/${runId}/stream`)
  await until(
    async () => first.frames.length,
    (n) => n === 4,
  )
  first.cut()
  await sdk('POST', '/log', { message: 'three' })
  await sdk('POST', '/complete')
  const messages = (frames: Seen[]) => frames.map(({ data }) => data.message ?? data.to)
  const second = follow(address, `/v1/runs/${runId}/stream`, first.frames[2]!.id)
  expect(await second.ended).toBe('ended')
  expect(messages(second.frames)).toEqual(['two', 'three', 'completed'])
  const third = follow(address, `/v1/runs/${runId}/stream?after_sequence=4`)
  expect(await third.ended).toBe('ended')
  expect(messages(third.frames)).toEqual(['three', 'completed'])
})

test('the stream of an ended run replays its frames and closes, and is not refused', async () => {
  const { native, call, address } = await straitYard()
  await addWorkerJob(native, 'j')
  const attempt = await executing(native, call, 'j')
  await settle(native, attempt, { outcome: 'failed', error: 'x' })
  const following = follow(address, `/v1/runs/${attempt.runId}/stream`)
  expect(await following.status).toBe(200)
  expect(await following.ended).toBe('ended')
  expect(changes(following.frames)).toEqual(['queued -> executing', 'executing -> dead_letter'])
})

test('every change of state is streamed, and names the state before it', async () => {
  const { native, call, address } = await straitYard()
  await addWorkerJob(native, 'j', {
    pause_grace_secs: 0,
    max_attempts: 2,
    retry_initial_delay_secs: 3600,
    retry_strategy: 'fixed',
  })
  const { id } = (await native('POST', '/v1/jobs/j/runs', { delay_secs: 3600 })).body
  const following = follow(address, `/v1/runs/${id}/stream`)
  await call('POST', `/v1/runs/${id}/reschedule`, { scheduled_at: '2020-01-01T00:00:00Z' })
  await claimOne(native, call, 'j')
  await call('POST', `/v1/runs/${id}/pause`)
  await call('POST', `/v1/runs/${id}/resume`)
  const second = await claimOne(native, call, 'j')
  await second.sdk('POST', '/wait-for-event', { event_key: 'k' })
  await call('POST', '/v1/events/k/send', {})
  await claimOne(native, call, 'j')
  await call('POST', `/v1/runs/${id}/restart`)
  const buffered = await claimOne(native, call, 'j', { buffer: true })
  await native('POST', '/v1/workers/start', { leases: [buffered.lease] })
  await settle(native, buffered, { outcome: 'failed', error: 'x' })
  await call('DELETE', `/v1/runs/${id}`)
  expect(await following.ended).toBe('ended')
  expect(changes(following.frames)).toEqual([
    'delayed -> queued',
    'queued -> executing',
    'executing -> paused',
    'paused -> queued',
    'queued -> executing',
    'executing -> waiting',
    'waiting -> queued',
    'queued -> executing',
    'executing -> queued',
    'queued -> dequeued',
    'dequeued -> executing',
    'executing -> delayed',
    'delayed -> canceled',
  ])
})

test('what a model writes has its own stream, from its first chunk, which closes with the run', async () => {
  const { native, call, address } = await straitYard()
  await addWorkerJob(native, 'j')
  const { sdk, runId } = await executing(native, call, 'j')
  await sdk('POST', '/stream', { chunk: 'Hel' })
  const following = follow(address, `/v1/runs/${runId}/stream/chunks`)
  await sdk('POST', '/log', { message: 'not here' })
  await sdk('POST', '/stream', { chunk: 'lo', stream_id: 'main', done: true })
  await sdk('POST', '/complete')
  expect(await following.ended).toBe('ended')
  expect(following.frames.map((frame) => frame.data)).toEqual([
    { type: 'stream_chunk', chunk: 'Hel', stream_id: 'default', done: false, timestamp: RFC3339 },
    { type: 'stream_chunk', chunk: 'lo', stream_id: 'main', done: true, timestamp: RFC3339 },
  ])
  const again = follow(address, `/v1/runs/${runId}/stream/chunks`, following.frames[0]!.id)
  await again.ended
  expect(again.frames.map((frame) => frame.data.chunk)).toEqual(['lo'])
})

test('the stream of an unknown run, or from an invalid position, is refused in Strait’s words', async () => {
  const { call, native, stranger } = await straitYard()
  await addWorkerJob(native, 'j')
  const { runId } = await executing(native, call, 'j')
  for (const path of ['/stream', '/stream/chunks']) {
    const theirs = await stranger('GET', `/v1/runs/${runId}${path}`)
    expect([theirs.status, theirs.body.error]).toEqual([404, 'run not found'])
    const wrong = await call('GET', `/v1/runs/${runId}${path}`, undefined, { headers: { 'last-event-id': 'x' } })
    expect([wrong.status, wrong.body.details]).toEqual([400, [expect.stringContaining('Last-Event-ID')]])
    expect((await call('GET', `/v1/runs/${runId}${path}?after_sequence=-1`)).status).toBe(400)
  }
})
