import { expect, test } from 'vitest'
import { eventful, eventsOf } from '../../support/builders/dynamiq-events.ts'
import { addApp, claim, dynamiqYard, executing, follow, type Seen } from '../../support/dynamiq-yard.ts'
import { KEY, until } from '../../support/http-yard.ts'

const ALL = [
  'run.started',
  'agent.reasoning.delta',
  'agent.output.delta',
  'agent.tool_call.started',
  'agent.tool_call.completed',
  'agent.tool_call.failed',
  'agent.human_feedback.requested',
  'approval_request.created',
  'run.completed',
]

test('a stream has exactly the events of the list, live and replayed, and closes after the end', async () => {
  const { call, native, address } = await dynamiqYard()
  await addApp(native)
  const attempt = await executing(call, native)
  const live = follow(address, `/v1/runs/${attempt.id}/stream`)
  await eventful(attempt)
  expect([await live.status, await live.ended]).toEqual([200, 'ended'])
  const { data: all } = await eventsOf(call, attempt.id)
  expect(live.frames.map((frame) => frame.data)).toEqual(all)
  expect(live.frames.map((frame) => [frame.id, frame.event])).toEqual(
    all.map((event: { sequence: number; type: string }) => [String(event.sequence), event.type]),
  )
  const replayed = follow(address, `/v1/runs/${attempt.id}/stream`)
  expect(await replayed.ended).toBe('ended')
  expect(replayed.frames).toEqual(live.frames)
})

test('a client that was cut off resumes strictly after what it saw, by parameter or by header', async () => {
  const { call, native, address } = await dynamiqYard()
  await addApp(native)
  const attempt = await executing(call, native)
  const path = `/v1/runs/${attempt.id}/stream`
  const before = follow(address, path)
  await until(
    async () => before.frames.length,
    (n) => n === 1,
  )
  before.cut()
  await eventful(attempt)
  const { data: all } = await eventsOf(call, attempt.id)
  const from = async (after: string, lastEventId?: string): Promise<Seen['data'][]> => {
    const { frames, ended } = follow(address, path + after, lastEventId)
    expect(await ended).toBe('ended')
    return frames.map((frame) => frame.data)
  }
  expect(await from('?after_sequence=1')).toEqual(all.slice(1))
  expect(await from('', before.frames[0]!.id)).toEqual(all.slice(1))
  expect(await from(`?after_sequence=${all[4].sequence}`)).toEqual(all.slice(5))
  expect(await from('?after_sequence=1', String(all[6].sequence))).toEqual(all.slice(7))
  expect(await from(`?after_sequence=${all.at(-1).sequence}`)).toEqual([])
  expect(await from('?after_sequence=99999')).toEqual([])
  for (const bad of ['0', '-1', 'x', '1.5']) {
    const refused = await call('GET', `${path}?after_sequence=${bad}`)
    expect(refused).toMatchObject({ status: 400, body: { error: { details: { after_sequence: expect.any(String) } } } })
  }
  expect((await call('GET', path, undefined, { headers: { 'last-event-id': 'x' } })).status).toBe(400)
})

test('a stream that resumes after the start of a run does not take a second attempt for a start', async () => {
  const { call, native, address } = await dynamiqYard()
  await addApp(native, 'app', { max_attempts: 2, retry_strategy: 'fixed', retry_initial_delay_secs: 0 })
  const first = await executing(call, native)
  const { frames, ended } = follow(address, `/v1/runs/${first.id}/stream?after_sequence=1`)
  await first.write('/fail', { error: 'once', retryable: true })
  await (await claim(native)).write('/complete')
  expect(await ended).toBe('ended')
  expect(frames.map((frame) => frame.event)).toEqual(['run.completed'])
})

test('a run created with stream returns its events from the first to the last', async () => {
  const { call, native, address } = await dynamiqYard()
  await addApp(native)
  const response = await fetch(`${address}/dynamiq/v1/runs`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ input: 'x', stream: true }),
  })
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
  const attempt = await claim(native)
  await eventful(attempt)
  const text = await response.text()
  expect([...text.matchAll(/^event: (.*)$/gm)].map((found) => found[1])).toEqual(ALL)
  expect((await call('GET', `/v1/runs/${attempt.id}`)).body.data.status).toBe('completed')
})

test('large tool results are streamed in several pages, and none is omitted', async () => {
  const { call, native, address } = await dynamiqYard()
  await addApp(native)
  const attempt = await executing(call, native)
  const output = 'x'.repeat(600_000)
  for (let n = 0; n < 5; n++) await attempt.write('/tool-call', { tool_name: `t${n}`, output })
  await attempt.write('/complete')
  const { frames, ended } = follow(address, `/v1/runs/${attempt.id}/stream`)
  expect(await ended).toBe('ended')
  expect(frames.map(({ data }) => data.data.tool?.name ?? data.type)).toEqual([
    'run.started',
    't0',
    't1',
    't2',
    't3',
    't4',
    'run.completed',
  ])
  expect(frames.slice(1, 6).every(({ data }) => data.data.result === output)).toBe(true)
})
