// Readiness: the database responds and accepts writes, and every duty of this node succeeded recently. The lag of feeds
// and seals behind the log is reported only: no other node would do better, so it takes none out of service.
import type { DutyHealth } from '#bell/loop.ts'
import type { RedisLink } from '#bell/redis.ts'
import type { Check } from '#http/routes/operations.ts'
import { readLogLag } from '#log/server/lag.sql.ts'
import { SEALS_LATE_MS, TAIL_LATE_MS } from '#log/server/log-watch.duty.ts'
import type { Sql } from '#postgres/sql.ts'
import { isReachable } from '#postgres/sql.ts'
import type { WriteWatch } from './write-watch.ts'

/** A duty may miss a few of its ticks before the node is taken out of service. */
const TICKS_MISSED_MAX = 5
const LATE_MS_MIN = 15_000
const DATABASE_MS_MAX = 2_000

type Checked = { duties: readonly DutyHealth[]; redis: RedisLink | undefined; writes: WriteWatch }

export async function healthChecks(sql: Sql, { duties, redis, writes }: Checked): Promise<Check[]> {
  const beganMs = performance.now()
  const [reachable, redisChecks] = await Promise.all([isReachable(sql, DATABASE_MS_MAX), checkRedis(redis)])
  return [
    { name: 'database', ok: reachable, age_ms: reachable ? Math.round(performance.now() - beganMs) : null },
    ...(reachable ? [await checkWrites(writes)] : []),
    ...duties.map(({ name, everyMs, sinceMs, lastSuccessMs }) => {
      const ageMs = performance.now() - (lastSuccessMs ?? sinceMs)
      const ok = ageMs <= Math.max(LATE_MS_MIN, everyMs * TICKS_MISSED_MAX)
      return { name, ok, age_ms: lastSuccessMs === undefined ? null : Math.round(ageMs) }
    }),
    ...redisChecks,
    ...(reachable ? await logChecks(sql) : []),
  ]
}

async function checkWrites(writes: WriteWatch): Promise<Check> {
  const { fault, lastSuccessMs } = await writes()
  const age_ms = lastSuccessMs === undefined ? null : Math.round(performance.now() - lastSuccessMs)
  return { name: 'database_writes', ok: fault === undefined, age_ms, ...(fault !== undefined && { reason: fault }) }
}

/** Without Redis a node still works, with a little delay and on its own. */
async function checkRedis(redis: RedisLink | undefined): Promise<Check[]> {
  if (!redis) return []
  const { ok, ms } = await redis.check()
  return [{ name: 'redis', ok, age_ms: ok ? ms : null, advisory: true }]
}

async function logChecks(sql: Sql): Promise<Check[]> {
  const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), DATABASE_MS_MAX).unref())
  const lag = await Promise.race([readLogLag(sql).catch(() => undefined), late])
  if (!lag) return []
  return [
    { name: 'tail', ok: lag.tailMs <= TAIL_LATE_MS, age_ms: Math.round(lag.tailMs), advisory: true },
    { name: 'seals', ok: lag.sealsMs <= SEALS_LATE_MS, age_ms: Math.round(lag.sealsMs), advisory: true },
  ]
}
