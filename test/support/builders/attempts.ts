// A worker's part, over HTTP: claim, call on behalf of the attempt, settle.
import { expect } from 'vitest'
import type { Call, Reply } from '../http-yard.ts'

export type Claimed = {
  run: { id: string; attempt: number }
  lease_token: string
  run_token: string
  checkpoint: unknown
}

export async function claimOne(call: Call, queue = 'default'): Promise<Claimed> {
  const reply = await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: [queue], wait_secs: 10 })
  expect(reply.body.runs, `a run in ${queue}`).toHaveLength(1)
  return reply.body.runs[0]
}

export const settleOne = (call: Call, { run, lease_token }: Claimed, more: object = { outcome: 'completed' }) =>
  call('POST', '/v1/workers/settle', { settlements: [{ run_id: run.id, lease_token, ...more }] })

/** A call of the attempt with its run token: `what` is the rest of the path. */
export const asAttempt = (call: Call, { run, run_token }: Claimed, what: string, body?: unknown): Promise<Reply> =>
  call(body === undefined ? 'GET' : 'POST', `/v1/runs/${run.id}/${what}`, body, { key: run_token })

export const workerJob = (slug: string, more: object = {}) => ({ slug, execution: 'worker', ...more })

/** The types of a run's events. */
export const typesOf = async (call: Call, runId: string): Promise<string[]> =>
  (await call('GET', `/v1/runs/${runId}/events?limit=200`)).body.data.map((it: { type: string }) => it.type)
