// The wait that a run begins with when its job depends on others.
import { matchKeyOf } from '#core/dependency.ts'
import { readDependencyStandings } from '#jobs/dependencies.sql.ts'
import type { Db } from '#postgres/sql.ts'
import { newWait } from '#run-state/move/wait-parts.sql.ts'

/**
 * What a run that is about to start has to wait for; undefined when nothing. The wait is checked again immediately:
 * otherwise, whatever ends between this read and the start of the wait would be missed.
 */
export async function waitOnDependencies(
  sql: Db,
  run: { jobId: string; idempotencyKey?: string | null | undefined; metadata: Record<string, string> } & {
    timeoutMs?: number | undefined
  },
) {
  const matchKey = matchKeyOf(run)
  const standings = await readDependencyStandings(sql, run.jobId, matchKey)
  if (standings.every((it) => it.met)) return undefined
  return newWait('dependencies', {
    jobId: run.jobId,
    ...(matchKey && { matchKey }),
    checkInMs: 0,
    timeoutMs: run.timeoutMs,
  })
}
