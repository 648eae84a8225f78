// AI leases, as clients of OnceOnly ask for them.
import { connect } from '#postgres/sql.ts'
import { type Call, until } from '../http-yard.ts'

export const lease = (call: Call, key: string, more: object = {}) => call('POST', '/ai/lease', { key, ...more })

export const status = (call: Call, key: string) => call('GET', `/ai/status?key=${encodeURIComponent(key)}`)

export const result = (call: Call, key: string) => call('GET', `/ai/result?key=${encodeURIComponent(key)}`)

export const detail = (reply: { body: { detail?: { error?: string } } }) => reply.body.detail?.error

/** Lets the lease on a key run out now. */
export async function expire(url: string, key: string, secs = 1): Promise<void> {
  const sql = connect(url, { max: 1 })
  await sql`update ai_leases set expires_at = clock_timestamp() - ${secs} * interval '1 s' where key = ${key}`
  await sql.end()
}

export const untilDone = (call: Call, key: string, ms?: number) =>
  until(
    () => status(call, key),
    (reply) => reply.body.status !== 'in_progress',
    ms,
  )
