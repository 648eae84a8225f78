// Taking a lock, within the monthly quota of the project's plan.

import { batched } from '#bell/part.ts'
import type { Sql } from '#postgres/sql.ts'
import { countRefused, type LockRequest, type LockTaken, takeLocks } from './locks.sql.ts'
import { lockMonths, readMonth } from './plans.sql.ts'

/** `callsMax`: hard limit of calls per month; without it calls are only counted. */
export type LockAsked = LockRequest & { callsMax?: number | undefined }
export type LockAnswer = LockTaken | { used: number }

/** Takes a lock, in a group commit with the locks that others ask for meanwhile. */
export const takeLock = batched<LockAsked, LockAnswer>(
  'The queue of locks',
  ({ sql }, asked) => answerLocks(sql, asked),
  {
    // A statement costs much more than a row: one large statement at a time serves more callers than two half as large.
    parallel: 1,
  },
)

/** Answers up to 500 callers in order; `used` for those whose monthly quota is exhausted. */
async function answerLocks(sql: Sql, asked: readonly LockAsked[]): Promise<LockAnswer[]> {
  const bounded = asked.filter(({ callsMax }) => callsMax !== undefined).map(({ projectId }) => projectId)
  if (bounded.length === 0) return takeLocks(sql, asked)
  const answers = await sql.begin(async (tx) => {
    await lockMonths(tx, bounded)
    const month = await readMonth(tx, [...new Set(bounded)])
    const used = new Map(month.filter(({ kind }) => kind === 'make').map((it) => [it.projectId, it.charged]))
    const standing = asked.map(({ projectId, callsMax }) => {
      const before = used.get(projectId) ?? 0
      if (callsMax !== undefined && before >= callsMax) return before
      used.set(projectId, before + 1)
      return undefined
    })
    const admitted = asked.filter((_, index) => standing[index] === undefined)
    const taken = admitted.length > 0 ? await takeLocks(tx, admitted) : []
    await countRefused(
      tx,
      asked.filter((_, index) => standing[index] !== undefined),
    )
    let next = 0
    return standing.map((before) => (before === undefined ? taken[next++]! : { used: before }))
  })
  return answers as LockAnswer[]
}
