// What tests of the mount /onceonly begin with: a node, and the clients of two projects.

import { pino } from 'pino'
import { egressOf } from '#access/egress/egress.ts'
import { makeCtx } from '#bell/ctx.ts'
import { connect } from '#postgres/sql.ts'
import { appendReports } from '#runs/report/append-log.ts'
import { type Call, callerOf, type HttpYard, httpYard } from './http-yard.ts'

/** The calls of a client whose base is /onceonly/v1. */
export const onceOf =
  (call: Call): Call =>
  (method, path, body, more) =>
    call(method, `/onceonly/v1${path}`, body, more)

export type OnceYard = HttpYard & {
  env: Record<string, string>
  native: Call
  stranger: Call
  withKey: (key: string) => Call
}

/** `call` is a client of OnceOnly, `native` ours, both of the project `default`; `stranger` has the key of another one. */
export async function onceYard(env: Record<string, string> = {}): Promise<OnceYard> {
  const yard = await httpYard(env)
  const other = await yard.call('POST', '/v1/projects', { id: 'other' })
  const withKey = (key: string) => onceOf(callerOf(yard.address, key))
  return { ...yard, env, call: onceOf(yard.call), native: yard.call, withKey, stranger: withKey(other.body.key) }
}

/** Many events of one run, straight into the log. */
export async function makeReports(url: string, runId: string, count: number): Promise<void> {
  const sql = connect(url, { max: 2 })
  const ctx = makeCtx({
    sql,
    reads: sql,
    ring: () => {},
    listen: () => ({ rung: async () => {}, close: () => {} }),
    log: pino({ level: 'silent' }),
    given: [egressOf.given('any')],
  })
  const reporter = { projectId: 'default', actor: { type: 'system', id: null } } as const
  for (let at = 0; at < count; at += 500) {
    const reports = Array.from({ length: Math.min(500, count - at) }, (_, n) => ({
      runId,
      type: 'tool_result',
      status: 'ok',
      step: `step_${at + n}`,
      tool: 'search',
      durationMs: (at + n) % 900,
      data: { hits: n },
    }))
    await appendReports(ctx, reporter, reports)
  }
  await sql.end()
}

/** A time as OnceOnly writes it. */
export const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/
