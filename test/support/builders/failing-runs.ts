// Runs that a worker fails, over HTTP.
import type { Call } from '../http-yard.ts'

export type Failing = { error: string; error_code?: string; retryable?: boolean }

/** A job of one attempt for each run, so that a failure that may be retried ends as a dead letter. */
export const addFailingJob = async (call: Call, slug: string, more: object = {}) =>
  (await call('POST', '/v1/jobs', { slug, execution: 'worker', queue: slug, max_attempts: 1, ...more })).body

/** Triggers a run for each failure, in order, and fails it. Returns the ids. */
export async function failRuns(call: Call, job: string, failures: readonly Failing[]): Promise<string[]> {
  const ids: string[] = []
  for (const failure of failures) {
    const run = (await call('POST', `/v1/jobs/${job}/runs`, {})).body
    ids.push(run.id)
    await failClaimed(call, job, failure)
  }
  return ids
}

export const failClaimed = (call: Call, queue: string, failure: Failing): Promise<void> =>
  settleClaimed(call, queue, { outcome: 'failed', ...failure })

/** Claims a run and settles it. */
export async function settleClaimed(call: Call, queue: string, settlement: object): Promise<void> {
  const claimed = await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: [queue], limit: 1 })
  const { run, lease_token } = claimed.body.runs[0]
  const settled = await call('POST', '/v1/workers/settle', {
    settlements: [{ run_id: run.id, lease_token, ...settlement }],
  })
  if (settled.status !== 200 || settled.body.results[0].error) throw new Error(JSON.stringify(settled.body))
}
