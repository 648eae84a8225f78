// The events of a run as Dynamiq shows them.
import type { Attempt } from '../dynamiq-yard.ts'
import type { Call } from '../http-yard.ts'

export const eventsOf = async (call: Call, id: string, query = '') =>
  (await call('GET', `/v1/runs/${id}/events${query}`)).body

/** A run that did all that has a name here, and some that has none. */
export async function eventful({ write }: Attempt): Promise<void> {
  await write('/log', { message: 'no name' })
  await write('/stream', { chunk: 'Let me see. ', stream_id: 'reasoning:2' })
  await write('/stream', { chunk: 'It is ' })
  await write('/stream', { chunk: '', done: true })
  await write('/tool-call', { tool_name: 'lookup-customer', input: { id: 7 }, status: 'started', step: 'step 3' })
  await write('/tool-call', { tool_name: 'lookup-customer', input: { id: 7 }, output: { tier: 'pro' }, step: 'step 3' })
  await write('/tool-call', { tool_name: 'send', output: 'no', status: 'failed' })
  await write('/progress', { percent: 50 })
  await write('/input-requests', { kind: 'feedback', prompt: 'Which?', wait: false })
  await write('/input-requests', {
    kind: 'approval',
    prompt: 'Send?',
    params: { to: 'a@x', copies: 1 },
    editable_params: ['copies'],
    wait: false,
  })
  await write('/complete', { result: { done: true } })
}

export const typesOf = (events: { type: string }[]) => events.map((event) => event.type)
