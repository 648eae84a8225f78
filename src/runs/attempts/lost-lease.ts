// What happened to a lost lease, for its former holder: most have merely expired.
import { type LostLease, Refusal, refuse } from '#core/error.ts'
import { isOver } from '#core/run.ts'
import type { Sql } from '#postgres/sql.ts'
import { readStandings, type Standing } from './fence.sql.ts'

const LOST_BY: ReadonlyMap<string | null, LostLease> = new Map([
  ['heartbeat_lost', 'expired'],
  ['timeout', 'timed_out'],
])

export const lossOf = ({ state, errorCode }: Pick<Standing, 'state' | 'errorCode'>): LostLease =>
  isOver(state) ? 'replaced' : (LOST_BY.get(errorCode) ?? 'replaced')

const isStale = (it: unknown): it is Refusal => it instanceof Refusal && it.code === 'stale_lease'

/** The same results, with the reason added to those about a lost lease. */
export async function tellLosses<T>(sql: Sql, answers: readonly (T | Error)[]): Promise<(T | Error)[]> {
  const runIds = answers.flatMap((it) => (isStale(it) ? [(it.details as { runId: string }).runId] : []))
  if (runIds.length === 0) return [...answers]
  const standings = new Map((await readStandings(sql, runIds)).map((it) => [it.runId, it]))
  return answers.map((it) => {
    if (!isStale(it)) return it
    const { runId } = it.details as { runId: string }
    const now = standings.get(runId)
    return now ? refuse('stale_lease', { runId, lost: lossOf(now), latestAttempt: now.attempt }) : it
  })
}
