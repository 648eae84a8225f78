// The fence of executors: a token is valid as long as its attempt holds the run. Every call with one is checked
// here before its route; its writes are fenced by the lease again, in the statement or transaction that writes.
import { batched } from '#bell/part.ts'
import { type Refusal, refuse } from '#core/error.ts'
import { isOver } from '#core/run.ts'
import { readStandings, type Standing } from './fence.sql.ts'
import { lossOf } from './lost-lease.ts'

/** A run, and the lease of the caller. */
export type Held = { projectId: string; runId: string; leaseToken: string }

/** Throws the refusal for a caller whose attempt no longer holds its run; frequent callers share one query. */
export const requireHeld = batched<Held, undefined>('The queue of attempts', async (ctx, all) => {
  const found = await readStandings(ctx.sql, [...new Set(all.map((it) => it.runId))])
  const standings = new Map(found.map((it) => [it.runId, it]))
  return all.map((held) => fenceProblem(held, standings.get(held.runId)))
})

export function fenceProblem({ projectId, runId, leaseToken }: Held, now: Standing | undefined): Refusal | undefined {
  if (now?.projectId !== projectId) return refuse('run_not_found', { runId })
  if (isOver(now.state)) return refuse('run_over', { runId, state: now.state })
  if (now.token === leaseToken) return undefined
  return refuse('stale_lease', { runId, lost: lossOf(now), latestAttempt: now.attempt })
}
