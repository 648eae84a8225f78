// The runs that make governed calls: locked after budgets and before the sums of agents, both to decide and
// to settle.
import type { Refusal } from '#core/error.ts'
import type { Db } from '#postgres/sql.ts'
import { lockStandings } from '#runs/attempts/fence.sql.ts'
import { fenceProblem } from '#runs/attempts/fence.ts'

type Caller = {
  projectId: string
  runId?: string | undefined
  leaseToken?: string | undefined
  chain?: string | undefined
}

/** Locks the runs that make calls and whose logs will describe them; returns which calls their runs no longer make. */
export async function lockCallers(tx: Db, calls: readonly Caller[]): Promise<(Refusal | undefined)[]> {
  const runIds = calls.filter((it) => it.chain === undefined).flatMap((it) => it.runId ?? [])
  if (runIds.length === 0) return calls.map(() => undefined)
  const standings = new Map((await lockStandings(tx, runIds)).map((it) => [it.runId, it]))
  return calls.map(({ projectId, runId, leaseToken }) =>
    runId && leaseToken ? fenceProblem({ projectId, runId, leaseToken }, standings.get(runId)) : undefined,
  )
}
