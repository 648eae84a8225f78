// Sums of usage over a period, from the hourly sums.

import type { Ctx } from '#bell/ctx.ts'
import { DAY_MS, HOUR_MS } from '#core/durations.ts'
import { refuse, refuseField } from '#core/error.ts'
import { findJobByIdOrSlug } from '#jobs/job-cache.ts'
import { isUuid } from '#postgres/id.ts'
import { type LedgerTotals, sumLedger } from './ledger.sql.ts'
import { sumUsage, type UsageFilter, type UsageSum } from './usage.sql.ts'

/** The longest period of one query: a leap year by day, or a month by hour. */
const SPAN_DAYS_MAX = 366
const SPAN_DAYS_MAX_BY_HOUR = 31
const SPAN_DAYS = 30
/** Maximum number of groups in one response. */
const GROUPS_MAX = 1_000

type Asked = Omit<UsageFilter, 'from' | 'to' | 'jobId' | 'limit'> & {
  from?: Date | undefined
  to?: Date | undefined
  job?: string | undefined
}

/** Every hour that begins or ends within the period counts in full. */
export async function readUsageSums(
  ctx: Ctx,
  { job, ...asked }: Asked,
): Promise<{ from: Date; to: Date; sums: UsageSum[]; hasMore: boolean; totals: LedgerTotals | null }> {
  const { from, to } = spanOf(asked, ctx.nowMs())
  const { groupBy } = asked
  if (new Set(groupBy).size < groupBy.length) throw refuseField('group_by', 'names the same twice')
  if (groupBy.includes('day') && groupBy.includes('hour')) throw refuseField('group_by', 'takes day or hour, not both')
  const jobId = job === undefined ? undefined : await jobIdOf(ctx, asked.projectId, job)
  const { projectId, agentId, provider, model } = asked
  const [sums, totals] = await Promise.all([
    sumUsage(ctx.reads, { ...asked, from, to, jobId, limit: GROUPS_MAX + 1 }),
    // Tool calls have neither job nor model, so a part of the ledger by those would be incomplete.
    (jobId ?? provider ?? model) === undefined ? sumLedger(ctx.reads, projectId, { agentId, from, to }) : null,
  ])
  return { from, to, sums: sums.slice(0, GROUPS_MAX), hasMore: sums.length > GROUPS_MAX, totals }
}

function spanOf(
  { from, to, groupBy }: Pick<Asked, 'from' | 'to' | 'groupBy'>,
  nowMs: number,
): { from: Date; to: Date } {
  const toMs = Math.ceil((to?.getTime() ?? nowMs) / HOUR_MS) * HOUR_MS
  const fromMs = from ? Math.floor(from.getTime() / HOUR_MS) * HOUR_MS : toMs - SPAN_DAYS * DAY_MS
  const daysMax = groupBy.includes('hour') ? SPAN_DAYS_MAX_BY_HOUR : SPAN_DAYS_MAX
  if (fromMs >= toMs) throw refuseField('from', 'must be before to')
  if (toMs - fromMs > daysMax * DAY_MS) throw refuseField('from', `must be within ${daysMax} days before to`)
  return { from: new Date(fromMs), to: new Date(toMs) }
}

/** A deleted job is still found by its id: its cost remains. */
async function jobIdOf(ctx: Ctx, projectId: string, job: string): Promise<string> {
  const found = await findJobByIdOrSlug(ctx.sql, projectId, job)
  if (!found && !isUuid(job)) throw refuse('job_not_found', { job })
  return found?.id ?? job
}
