// Ready means: the database answers, and every duty of this node has succeeded lately.
import type { DutyHealth } from '#bell/loop.ts'
import type { Check } from '#http/routes/operations.ts'
import type { Sql } from '#postgres/sql.ts'
import { isReachable } from '#postgres/sql.ts'

/** A duty may miss a few of its ticks before the node is taken out of service. */
const TICKS_MISSED_MAX = 5
const LATE_MS_MIN = 15_000
const DATABASE_MS_MAX = 2_000

const startedMs = performance.now()

export async function healthChecks(sql: Sql, duties: readonly DutyHealth[]): Promise<Check[]> {
  const beganMs = performance.now()
  const reachable = await isReachable(sql, DATABASE_MS_MAX)
  return [
    { name: 'database', ok: reachable, age_ms: reachable ? Math.round(performance.now() - beganMs) : null },
    ...duties.map(({ name, everyMs, lastSuccessMs }) => {
      const ageMs = performance.now() - (lastSuccessMs ?? startedMs)
      const ok = ageMs <= Math.max(LATE_MS_MIN, everyMs * TICKS_MISSED_MAX)
      return { name, ok, age_ms: lastSuccessMs === undefined ? null : Math.round(ageMs) }
    }),
  ]
}
