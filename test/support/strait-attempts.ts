// Runs that a worker holds, for tests of the mount /strait: the worker speaks our own protocol, the attempt Strait's.

import { type Call, until } from './http-yard.ts'
import { straitYard } from './strait-yard.ts'

/** A job whose runs wait in a queue of its own name, so that a claim finds these and no others. */
export const addWorkerJob = async (native: Call, slug: string, more: object = {}): Promise<string> =>
  (await native('POST', '/v1/jobs', { slug, execution: 'worker', queue: slug, max_attempts: 1, ...more })).body.id

export type Attempt = {
  runId: string
  lease: { run_id: string; lease_token: string }
  token: string
  /** A call on the SDK plane with the token of this attempt: `/log`, `/complete`. */
  sdk: Call
}

export async function claimOne(native: Call, call: Call, queue: string, more: object = {}): Promise<Attempt> {
  const { body } = await until(
    () => native('POST', '/v1/workers/claim', { worker_id: 'w', queues: [queue], lease_secs: 300, ...more }),
    (reply) => reply.body.runs.length > 0,
  )
  const [claimed] = body.runs
  const runId = claimed.run.id
  return {
    runId,
    lease: { run_id: runId, lease_token: claimed.lease_token },
    token: claimed.run_token,
    sdk: (method, path, sent, { key = claimed.run_token, ...rest } = {}) =>
      call(method, `/sdk/v1/runs/${runId}${path}`, sent, { ...rest, key }),
  }
}

/** Triggers a run of that job and claims it. */
export async function executing(native: Call, call: Call, slug: string, input: object = {}): Promise<Attempt> {
  await native('POST', `/v1/jobs/${slug}/runs`, input)
  return claimOne(native, call, slug)
}

export const settle = (native: Call, { lease }: Attempt, outcome: object) =>
  native('POST', '/v1/workers/settle', { settlements: [{ ...lease, ...outcome }] })

/** A run that ended as a dead letter, or failed for good. */
export async function failed(
  native: Call,
  call: Call,
  job: string,
  { forGood = false, input = {} } = {},
): Promise<string> {
  const attempt = await executing(native, call, job, input)
  if (forGood) await attempt.sdk('POST', '/fail', { error: 'no luck' })
  else await settle(native, attempt, { outcome: 'failed', error: 'no luck' })
  return attempt.runId
}

export async function sdkYard(input: object = {}, job: object = {}) {
  const yard = await straitYard()
  await addWorkerJob(yard.native, 'j', job)
  const attempt = await executing(yard.native, yard.call, 'j', input)
  const list = async (what: string, search = '') =>
    (await yard.call('GET', `/v1/runs/${attempt.runId}/${what}${search}`)).body
  return { ...yard, attempt, ...attempt, list }
}
