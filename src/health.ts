// Readiness: the database responds and accepts writes, and every duty of this node succeeded recently. The lag of feeds
// and seals behind the log is reported only: no other node would do better, so it takes none out of service.
import type { DutyHealth } from '#bell/loop.ts'
import type { RedisLink } from '#bell/redis.ts'
import type { Check } from '#http/routes/operations.ts'
import { readLogLag } from '#log/server/lag.sql.ts'
import { SEALS_LATE_MS, TAIL_LATE_MS } from '#log/server/log-watch.duty.ts'
import type { Loss } from '#log/server/witness.ts'
import type { Where } from '#postgres/hosts/hosts.ts'
import type { Sql } from '#postgres/sql.ts'
import { isReachable } from '#postgres/sql.ts'
import type { WriteWatch } from './write-watch.ts'

/** A duty may miss a few of its ticks before the node is taken out of service. */
const TICKS_MISSED_MAX = 5
const LATE_MS_MIN = 15_000
const DATABASE_MS_MAX = 2_000

type Checked = {
  duties: readonly DutyHealth[]
  redis: RedisLink | undefined
  writes: WriteWatch
  where: () => Where
  loss: () => Loss | undefined
}

export async function healthChecks(sql: Sql, { duties, redis, writes, where, loss }: Checked): Promise<Check[]> {
  const beganMs = performance.now()
  const [reachable, redisChecks] = await Promise.all([isReachable(sql, DATABASE_MS_MAX), checkRedis(redis)])
  return [
    databaseCheck(reachable ? Math.round(performance.now() - beganMs) : undefined, where()),
    ...(reachable ? [await checkWrites(writes)] : []),
    ...duties.map(({ name, everyMs, sinceMs, lastSuccessMs }) => {
      const ageMs = performance.now() - (lastSuccessMs ?? sinceMs)
      const ok = ageMs <= Math.max(LATE_MS_MIN, everyMs * TICKS_MISSED_MAX)
      return { name, ok, age_ms: lastSuccessMs === undefined ? null : Math.round(ageMs) }
    }),
    ...redisChecks,
    ...checkLoss(loss()),
    ...(reachable ? await logChecks(sql) : []),
  ]
}

/** Names of hosts are for the log and the metrics: anybody may ask whether a node is ready. */
function databaseCheck(ms: number | undefined, { hosts, failure }: Where): Check {
  if (ms !== undefined) return { name: 'database', ok: true, age_ms: ms }
  const isNowhere = hosts > 1 && failure !== undefined
  return {
    name: 'database',
    ok: false,
    age_ms: null,
    ...(isNowhere && { reason: `None of the ${hosts} hosts of DATABASE_URL takes writes.` }),
  }
}

async function checkWrites(writes: WriteWatch): Promise<Check> {
  const { fault, lastSuccessMs } = await writes()
  const age_ms = lastSuccessMs === undefined ? null : Math.round(performance.now() - lastSuccessMs)
  return { name: 'database_writes', ok: fault === undefined, age_ms, ...(fault !== undefined && { reason: fault }) }
}

/** It cannot be mended here; it is told until the node is started again, so that somebody sees it. */
function checkLoss(loss: Loss | undefined): Check[] {
  if (!loss) return []
  const reason = `A standby took over without the last ${loss.bytes} bytes of what was acknowledged.`
  const ageMs = Math.round(performance.now() - loss.atMs)
  return [{ name: 'failover_loss', ok: false, age_ms: ageMs, advisory: true, reason }]
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
