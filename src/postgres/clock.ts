// The database's clock, as this node reads it. What one node stamps another one checks: the end of a token, a day, the
// time a run is due. Wall clocks of nodes may differ by hours, so none of them is asked; there is one database.
import type { Sql } from './sql.ts'

export type Clock = { nowMs: () => number; close: () => void }

/** A failover may bring a server with another clock, and a machine that slept has lost count. */
const READ_EVERY_MS = 30_000
/** Of several readings the one that took the least time is off by the least. */
const READINGS = 3

/** Between readings it goes on by the process's monotonic clock, which nobody sets. */
export async function databaseClock(sql: Sql): Promise<Clock> {
  let offsetMs = await readOffset(sql)
  let reading = false
  const timer = setInterval(async () => {
    if (reading) return
    reading = true
    // While the database is away the last reading is as good as any.
    offsetMs = await readOffset(sql).catch(() => offsetMs)
    reading = false
  }, READ_EVERY_MS).unref()
  return { nowMs: () => Math.round(performance.now() + offsetMs), close: () => clearInterval(timer) }
}

async function readOffset(sql: Sql): Promise<number> {
  let best = { tookMs: Number.POSITIVE_INFINITY, offsetMs: 0 }
  for (let reading = 0; reading < READINGS; reading++) {
    const beganMs = performance.now()
    const [row] = await sql<{ ms: number }[]>`select extract(epoch from clock_timestamp())::float8 * 1000 as ms`
    const tookMs = performance.now() - beganMs
    if (tookMs < best.tookMs) best = { tookMs, offsetMs: row!.ms - beganMs - tookMs / 2 }
  }
  return best.offsetMs
}
