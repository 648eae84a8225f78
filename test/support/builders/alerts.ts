// Rules of alerts, and what makes them fire.
import { expect } from 'vitest'
import { type Call, until } from '../http-yard.ts'

export const rule = async (call: Call, body: object): Promise<string> => {
  const made = await call('POST', '/v1/alerts/rules', { name: 'a rule', ...body })
  expect(made.status, JSON.stringify(made.body)).toBe(201)
  return made.body.id
}
export const firing = (call: Call, id: string, wanted: boolean, ms?: number) =>
  until(
    () => call('GET', `/v1/alerts/rules/${id}`),
    (reply) => reply.body.firing === wanted,
    ms,
  )

/** Runs of a job that no attempt saves. */
export async function bury(call: Call, job: string, count: number): Promise<void> {
  await call('POST', '/v1/jobs', { slug: job, execution: 'worker', queue: job, max_attempts: 1 })
  const items = Array.from({ length: count }, () => ({}))
  for (let n = 0; n < count; n += 500)
    await call('POST', `/v1/jobs/${job}/runs/batch`, { items: items.slice(n, n + 500) })
  for (let left = count; left > 0; ) {
    const { runs } = (await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: [job], limit: 100 })).body
    const settlements = runs.map((it: { run: { id: string }; lease_token: string }) => ({
      run_id: it.run.id,
      lease_token: it.lease_token,
      outcome: 'failed',
      error: 'it always does',
    }))
    expect((await call('POST', '/v1/workers/settle', { settlements })).status).toBe(200)
    left -= runs.length
  }
}
