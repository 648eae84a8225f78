// The attempts of a run: from its log and, for a run in debug mode, with its dispatches.

import type { Ctx } from '#bell/ctx.ts'
import { ATTEMPT_EVENTS, type Attempt, type AttemptEvent, attemptsOf } from '#core/runs/attempts.ts'
import { type DispatchRow, listDispatches } from '#dispatch/dispatches.sql.ts'
import { readRunLog } from '#log/read-log.sql.ts'
import { findRunBody, type RunBody, type RunRow } from '#run-state/read/read-runs.sql.ts'

export type RunAttempt = Attempt & { dispatch: DispatchRow | null }

/** An attempt has at most three such events; beyond this many, attempts are not shown. */
const EVENTS_MAX = 3_000
const BYTES_MAX = 16 * 1024 * 1024

/** Oldest first. */
export async function readAttempts(ctx: Pick<Ctx, 'sql' | 'reads'>, run: RunRow): Promise<RunAttempt[]> {
  const [log, dispatches, body] = await Promise.all([
    readRunLog(ctx.reads, {
      runId: run.id,
      runCreatedAt: run.createdAt,
      afterSequence: 0,
      limit: EVENTS_MAX,
      deltas: false,
      types: ATTEMPT_EVENTS,
      bytesMax: BYTES_MAX,
    }),
    listDispatches(ctx.reads, run.id),
    findRunBody(ctx.sql, run.id),
  ])
  return withDispatches(log?.rows ?? [], { run, dispatches, trace: body?.trace ?? null })
}

type Known = { run: RunRow; dispatches: readonly DispatchRow[]; trace: RunBody['trace'] }

/** Combines what three sources know of the same attempts. */
export function withDispatches(events: readonly AttemptEvent[], { run, dispatches, trace }: Known): RunAttempt[] {
  const attempts = attemptsOf(events).map((attempt): RunAttempt => ({ ...attempt, dispatch: null }))
  for (const dispatch of dispatches) {
    // Numbers start again after a redrive, and a returned attempt starts again: the record belongs to the last one that
    // had started.
    const its = attempts.findLast((it) => it.attempt === dispatch.attempt && it.startedAt <= dispatch.startedAt)
    if (its) Object.assign(its, { dispatch, trace: dispatch.trace ?? its.trace })
  }
  const last = attempts.at(-1)
  // The run keeps the trace of its latest settled dispatch: that is the last attempt's if its node reported the
  // outcome.
  if (last && run.execution === 'http' && last.endedByOwner) last.trace ??= trace
  return attempts
}
