// The wait that a run begins with, when its job depends on others.
import { matchKeyOf } from '#core/dependency.ts'
import { readDependencyStandings } from '#jobs/dependencies.sql.ts'
import type { Db } from '#postgres/sql.ts'
import { newWait } from '#run-state/move/wait-parts.sql.ts'

/**
 * What a run that is about to begin has to wait for; undefined when nothing. It is looked at again at once: what ends
 * between this look and the begin of the wait would be missed otherwise.
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
