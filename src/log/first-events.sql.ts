// The event that a run began with: what everything else of the run goes back to.
import type { Db } from '#postgres/sql.ts'

/** By the id under which the run is stored; absent where that event is no longer kept. */
export async function readFirstEvents(sql: Db, runIds: readonly string[]): Promise<Map<string, string>> {
  if (runIds.length === 0) return new Map()
  const rows = await sql<{ runId: string; id: string }[]>`
    select run_id as "runId", id from events where run_id = any(${runIds as string[]}::uuid[]) and sequence = 1`
  return new Map(rows.map((row) => [row.runId, row.id]))
}
