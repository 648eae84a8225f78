// How runs ended in a window of whole hours, and which failures are of one kind.
import type { Ctx } from '#bell/ctx.ts'
import { DAY_MS, HOUR_MS } from '#core/durations.ts'
import { refuse, refuseField } from '#core/error.ts'
import { findJobByIdOrSlug } from '#jobs/job-cache.ts'
import { isUuid } from '#postgres/id.ts'
import {
  type EndGroup,
  type EndSum,
  type FailureGroup,
  type GroupPlace,
  listFailureGroups,
  sumEnds,
} from './ended-runs.sql.ts'

const SPAN_DAYS = 1
const SPAN_DAYS_MAX = 31
const SPAN_DAYS_MAX_BY_DAY = 366
/** Groups of one response. */
const SUMS_MAX = 10_000
/** A longer window is shown by the day. */
const HOURLY_MS_MAX = 3 * DAY_MS

type Window = { projectId: string; job?: string | undefined; from?: Date | undefined; to?: Date | undefined }
type Span = { from: Date; to: Date }

/** Every hour that begins or ends within the window counts in full. */
export async function readEnds(
  ctx: Ctx,
  { groupBy, states, ...asked }: Window & { groupBy: readonly EndGroup[]; states?: readonly string[] | undefined },
): Promise<Span & { sums: EndSum[]; hasMore: boolean }> {
  if (new Set(groupBy).size < groupBy.length) throw refuseField('group_by', 'names the same twice')
  if (groupBy.includes('day') && groupBy.includes('hour')) throw refuseField('group_by', 'takes day or hour, not both')
  const span = spanOf(asked, ctx.nowMs(), groupBy.includes('hour') ? SPAN_DAYS_MAX : SPAN_DAYS_MAX_BY_DAY)
  const sums = await sumEnds(ctx.reads, { ...(await hoursOf(ctx, asked, span)), groupBy, states, limit: SUMS_MAX + 1 })
  return { ...span, sums: sums.slice(0, SUMS_MAX), hasMore: sums.length > SUMS_MAX }
}

type AskedFailures = Window & { errorGroup?: string | undefined; after: GroupPlace | undefined; limit: number }

export type Failures = Span & { unitMs: number; groups: (Omit<FailureGroup, 'buckets'> & { counts: number[] })[] }

/** Up to `limit` groups of failures; in each, one count for every hour of the window or, if it is long, every day. */
export async function readFailures(ctx: Ctx, { errorGroup, after, limit, ...asked }: AskedFailures): Promise<Failures> {
  const exact = spanOf(asked, ctx.nowMs(), SPAN_DAYS_MAX)
  const isLong = exact.to.getTime() - exact.from.getTime() > HOURLY_MS_MAX
  const unitMs = isLong ? DAY_MS : HOUR_MS
  const span = isLong ? roundTo(exact, DAY_MS) : exact
  const hours = await hoursOf(ctx, asked, span)
  const groups = await listFailureGroups(ctx.reads, { ...hours, errorGroup, unitMs, after, limit })
  const units = Math.round((span.to.getTime() - span.from.getTime()) / unitMs)
  return {
    ...span,
    unitMs,
    groups: groups.map(({ buckets, ...group }) => {
      const counts = new Array<number>(units).fill(0)
      for (const [at, count] of buckets) counts[at] = count
      return { ...group, counts }
    }),
  }
}

function spanOf({ from, to }: Pick<Window, 'from' | 'to'>, nowMs: number, daysMax: number): Span {
  const toMs = Math.ceil((to?.getTime() ?? nowMs) / HOUR_MS) * HOUR_MS
  const fromMs = from ? Math.floor(from.getTime() / HOUR_MS) * HOUR_MS : toMs - SPAN_DAYS * DAY_MS
  if (fromMs >= toMs) throw refuseField('from', 'must be before to')
  if (toMs - fromMs > daysMax * DAY_MS) throw refuseField('from', `must be within ${daysMax} days before to`)
  return { from: new Date(fromMs), to: new Date(toMs) }
}

const roundTo = ({ from, to }: Span, ms: number): Span => ({
  from: new Date(Math.floor(from.getTime() / ms) * ms),
  to: new Date(Math.ceil(to.getTime() / ms) * ms),
})

/** A deleted job is still found by its id: what its runs did remains. */
async function hoursOf(ctx: Ctx, { projectId, job }: Window, span: Span) {
  const found = job === undefined ? undefined : await findJobByIdOrSlug(ctx.sql, projectId, job)
  if (job !== undefined && !found && !isUuid(job)) throw refuse('job_not_found', { job })
  return { ...span, projectId, jobId: found?.id ?? job }
}
