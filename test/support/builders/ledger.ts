// Attempts that spend: executing runs with their tokens, and the calls that charge them.
import type { Call } from '../http-yard.ts'

export type Running = { id: string; token: string }

/** Runs that a worker executes, each with its token. */
export async function start(call: Call, runs: object[], job = 'j'): Promise<Running[]> {
  await call('POST', '/v1/jobs', { slug: job, execution: 'worker', queue: job })
  await call('POST', `/v1/jobs/${job}/runs/batch`, { items: runs })
  const { body } = await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: [job], limit: runs.length })
  return body.runs.map((it: { run: { id: string }; run_token: string }) => ({ id: it.run.id, token: it.run_token }))
}

export const book = (call: Call, { id, token }: Running, usage: object) =>
  call('POST', `/v1/runs/${id}/usage`, { provider: 'acme', model: 'm', ...usage }, { key: token })

export const ask = (call: Call, { id, token }: Running, tool = 't', more: object = {}) =>
  call('POST', `/v1/runs/${id}/authorize`, { tool, ...more }, { key: token })

export const setPolicy = (call: Call, policy: object, { agent = 'bot', mode = 'enforce' } = {}) =>
  call('PUT', `/v1/agents/${agent}/policy`, { mode, policy })

export const authorize = (call: Call, agent: string, cost: number, more: object = {}) =>
  call('POST', `/v1/agents/${agent}/authorize`, { tool: 't', cost_microusd: cost, ...more })

export const outcome = (reply: { body: { decision: string; reason: string } }) => [
  reply.body.decision,
  reply.body.reason,
]

/** A price as PUT /v1/prices takes it. */
export const price = (prompt: number, completion: number) => ({
  prompt_microusd_per_million: prompt,
  completion_microusd_per_million: completion,
})
