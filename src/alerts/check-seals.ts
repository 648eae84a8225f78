// Compares the logs of projects with their seals, for those that have a rule about it: a bounded piece at each look, once
// over all of a log, then what is newly sealed, and a day later over all of it again.
import type { Ctx } from '#bell/ctx.ts'
import { verifyLog } from '#log/seals/verify-log.ts'
import { saveSealCheck, takeSealCheck } from './seal-checks.sql.ts'

/** A hundred million events a day for each project, for about a fifteenth of one core. */
const BOUNDS = { eventsMax: 20_000, ms: 1_000 }
const EVERY_SECS = 15
const PASS_HOURS = 24

/** Looks at the log of the project whose turn it is; false when it is nobody's. */
export async function checkNextSeals(ctx: Pick<Ctx, 'sql' | 'reads'>): Promise<boolean> {
  const check = await takeSealCheck(ctx.sql, { everySecs: EVERY_SECS, passHours: PASS_HOURS })
  if (!check) return false
  const { projectId, number, hash, isPassOver } = check
  const isAnew = isPassOver || number === 0
  const fromSeal = isAnew ? undefined : { number, hash }
  const { last, problem, more } = await verifyLog(ctx, { projectId, fromSeal, bounds: BOUNDS })
  // The very seal from which to go on may not be what was found good: there is nowhere else to go on from.
  const good = problem && !isAnew && last.number < number ? check : last
  await saveSealCheck(ctx.sql, projectId, {
    number: good.number,
    hash: good.hash,
    problem: problem?.message ?? null,
    pass: problem || more ? 'under way' : 'at its end',
    begins: isAnew ? 'now' : 'before',
  })
  return true
}
