// The stream of a run as AG-UI, read by the client of the protocol's authors: it verifies the order of events, and applies
// them to messages and to a state.
import { type BaseEvent, EventType, HttpAgent } from '@ag-ui/client'
import { expect, test } from 'vitest'
import { type Call, callerOf, httpYard, KEY, until } from '../../support/http-yard.ts'
import { type Frame, watch } from '../../support/sse-client.ts'

/** A run that exists is followed, not started: its stream is read with GET. */
class RunFollower extends HttpAgent {
  protected override requestInit(): RequestInit {
    return { method: 'GET', headers: this.headers, signal: this.abortController.signal }
  }
}

async function running() {
  const yard = await httpYard()
  await yard.call('POST', '/v1/jobs', { slug: 'j', execution: 'worker', max_attempts: 1 })
  const run = (await yard.call('POST', '/v1/jobs/j/runs', {})).body
  return { ...yard, run, own: await claim(yard) }
}

async function claim({ call, address }: { call: Call; address: string }): Promise<Call> {
  const { body } = await call('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 10 })
  return callerOf(address, body.runs[0].run_token)
}

const streamOf = (address: string, runId: string): string => `${address}/v1/runs/${runId}/stream?format=ag-ui`

function follow(address: string, runId: string) {
  const events: BaseEvent[] = []
  const agent = new RunFollower({ url: streamOf(address, runId), headers: { authorization: `Bearer ${KEY}` } })
  const ended = agent.runAgent({}, { onEvent: ({ event }) => void events.push(event) })
  return { agent, events, ended, types: () => events.map(({ type }) => type) }
}

test('the messages, calls, steps and state of a run reach the client of AG-UI, live and in order', async () => {
  const { address, run, own } = await running()
  const { agent, ended, types } = follow(address, run.id)
  const at = (path: string, body: object) => own('POST', `/v1/runs/${run.id}/${path}`, body)
  await at('progress', { percent: 10, step: 'read', message: 'reading' })
  await at('tool-call', { tool_name: 'search', input: { q: 1 }, status: 'completed' })
  await at('progress', { percent: 50, step: 'write' })
  await at('stream', { chunk: 'Hello, ', stream_id: 'answer' })
  await at('usage', { provider: 'openai', model: 'gpt-4o', prompt_tokens: 100, completion_tokens: 10 })
  await at('stream', { chunk: 'Ada', stream_id: 'answer', done: true })
  await at('stream', { chunk: 'unfinished', stream_id: 'other' })
  await at('complete', { result: 1 })
  await ended
  expect(agent.messages).toMatchObject([
    { role: 'assistant', toolCalls: [{ function: { name: 'search' } }] },
    { role: 'tool', content: '{"status":"completed"}' },
    { id: 'answer', role: 'assistant', content: 'Hello, Ada' },
    { id: 'other', role: 'assistant', content: 'unfinished' },
  ])
  expect(agent.state).toMatchObject({ status: 'completed', percent: 50, model_calls: 1, total_tokens: 110 })
  expect(types().at(0)).toBe(EventType.RUN_STARTED)
  expect(types().at(-1)).toBe(EventType.RUN_FINISHED)
  expect(types().filter((type) => type === EventType.STEP_STARTED)).toHaveLength(2)
})

test('a run that fails is an error', async () => {
  const { address, run, own } = await running()
  const { events, ended } = follow(address, run.id)
  await own('POST', `/v1/runs/${run.id}/fail`, { error: 'no paper' })
  await ended.catch(() => {})
  expect(events.at(-1)).toMatchObject({ type: EventType.RUN_ERROR, message: 'no paper' })
})

test('a question to a person is an interrupt, and its answer begins the next run of the thread', async () => {
  const { address, call, run, own } = await running()
  const { events, ended } = follow(address, run.id)
  const asked = await own('POST', `/v1/runs/${run.id}/input-requests`, { kind: 'approval', prompt: 'Send it?' })
  const interrupted = await until(
    async () => events.find(({ type }) => type === EventType.RUN_FINISHED),
    (event) => event !== undefined,
  )
  expect(interrupted).toMatchObject({
    threadId: run.id,
    runId: run.id,
    outcome: { type: 'interrupt', interrupts: [{ id: asked.body.id, reason: 'confirmation', message: 'Send it?' }] },
  })
  await call('POST', `/v1/input-requests/${asked.body.id}/answer`, { approved: true })
  const next = await claim({ call, address })
  await next('POST', `/v1/runs/${run.id}/complete`, {})
  await ended
  const runs = events.filter(({ type }) => type === EventType.RUN_STARTED || type === EventType.RUN_FINISHED)
  expect(runs.slice(2)).toMatchObject([
    { type: EventType.RUN_STARTED, threadId: run.id, runId: `${run.id}.2` },
    { type: EventType.RUN_FINISHED, threadId: run.id, runId: `${run.id}.2`, outcome: { type: 'success' } },
  ])
})

test('a client that resumes after any event is told the rest, as it would have been', async () => {
  const { address, run, own } = await running()
  const at = (path: string, body: object) => own('POST', `/v1/runs/${run.id}/${path}`, body)
  await at('progress', { percent: 10, step: 'read' })
  for (const chunk of ['a', 'b', 'c']) await at('stream', { chunk, stream_id: 's' })
  await at('tool-call', { tool_name: 'search', status: 'failed' })
  await at('complete', { result: 1 })
  const told = async (lastEventId?: string): Promise<Frame[]> => {
    const frames: Frame[] = []
    const onFrame = (frame: Frame) => void frames.push(frame)
    expect(await watch({ url: streamOf(address, run.id), key: KEY, lastEventId, onFrame }).ended).toBe('ended')
    return frames
  }
  const all = await told()
  const cuts = all.flatMap(({ id }, index) => (id === undefined ? [] : [{ id, index }]))
  expect(cuts.length).toBeGreaterThan(6)
  for (const { id, index } of cuts) expect(await told(id)).toEqual(all.slice(index + 1))
})

test('types cannot be chosen with AG-UI, and unknown formats are refused', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/events', { type: 'a.b', run_id: 'r' })
  const wrong = await call('GET', '/v1/runs/r/stream?format=ag-ui&type=a.b')
  expect(wrong.body.error.message).toBe('type cannot be combined with format=ag-ui')
  expect((await call('GET', '/v1/runs/r/stream?format=xml')).status).toBe(422)
})
