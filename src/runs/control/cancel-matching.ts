// Cancels runs by filter synchronously: a bounded number of them, a page at a time.

import type { Ctx } from '#bell/ctx.ts'
import type { Refusal } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { STATES_FOR } from '#core/operation.ts'
import type { RunConditions } from '#run-state/read/count-runs.sql.ts'
import { listRunsPage, type RunPlace } from '#run-state/read/list-runs.sql.ts'
import { type CancelWords, cancelFound } from './cancel-runs.ts'

export const PAGE_MAX = 500

type Matching = Cause & { projectId: string; filter: RunConditions; max: number } & CancelWords

/** Cancels the newest `max` matching runs that have not ended, and their children. */
export async function cancelMatching(
  ctx: Ctx,
  asked: Matching,
): Promise<{ runId: string; state: string; problem?: Refusal }[]> {
  const { projectId, filter, max } = asked
  const states = filter.states?.filter((state) => STATES_FOR.cancel.some((live) => live === state)) ?? STATES_FOR.cancel
  const answers: { runId: string; state: string; problem?: Refusal }[] = []
  // No state that can be canceled: without this, the list would be of all states.
  if (states.length === 0) return answers
  let after: RunPlace | undefined
  do {
    const limit = Math.min(PAGE_MAX, max - answers.length)
    const page = await listRunsPage(ctx.reads, { ...filter, projectId, states, after, order: 'newest', limit })
    const done = await cancelFound(ctx, page.rows, asked)
    answers.push(...page.rows.map((run, index) => ({ runId: run.publicId, ...done[index]! })))
    after = page.next
  } while (after && answers.length < max)
  return answers
}
