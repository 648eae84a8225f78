// Compares the log of a project with its seals, a bounded piece at each look: once over all of it, then what is newly
// sealed, and a day later over all of it again.
import type { Ctx } from '#bell/ctx.ts'
import { type Problem, verifyLog } from '#log/seals/verify-log.ts'
import { findSealCheck, saveSealCheck } from './seal-checks.sql.ts'

/** A hundred million events a day, for about a fifteenth of one core. */
const BOUNDS = { eventsMax: 20_000, ms: 1_000 }
const PASS_HOURS = 24

/** What is wrong, as far as has been looked; it is found again until it is mended. */
export async function checkSeals(ctx: Pick<Ctx, 'sql' | 'reads'>, projectId: string): Promise<Problem | null> {
  const check = await findSealCheck(ctx.sql, projectId, PASS_HOURS)
  const isAnew = check === undefined || check.isPassOver
  const good = isAnew || check.number === 0 ? undefined : { number: check.number, hash: check.hash }
  const verdict = await verifyLog(ctx, { projectId, ...(good && { fromSeal: good }), bounds: BOUNDS })
  const { last, problem, more } = verdict
  // The very seal from which to go on is not what was found good: there is nowhere else to go on from.
  if (problem && last.number < (good?.number ?? 0)) return problem
  await saveSealCheck(ctx.sql, projectId, { ...last, isAnew, isAtEnd: problem === null && !more })
  return problem
}
