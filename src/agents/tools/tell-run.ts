// How a governed call appears in the timeline of its run, in the words that its client knows.
import type { Ctx } from '#bell/ctx.ts'
import { Refusal } from '#core/error.ts'
import { TOLD_AS } from '#log/client-endings.sql.ts'
import { findRun } from '#run-state/read/read-runs.sql.ts'
import { appendReport, appendReports, type Report } from '#runs/report/append-log.ts'
import { hasHeldLease } from '../leases/ai-leases.sql.ts'
import type { ToolCall } from './governed-call.ts'

/** Appends a timeline event; nothing for a call without a run. */
export async function appendTimelineEvents(
  ctx: Ctx,
  call: ToolCall,
  events: readonly Omit<Report, 'runId'>[],
): Promise<void> {
  const { projectId, actor, runRef: runId, step, tool, agentId } = call
  if (runId === undefined) return
  const reports = events.map((event) => ({ ...event, runId, step, tool, agentId }))
  for (const answer of await appendReports(ctx, { projectId, actor }, reports))
    if (answer instanceof Error) throw answer
}

/**
 * A failed call ends its run, which was started for it by its reporter. A run that is executed here, or is
 * under a lease, ends in its own way.
 */
export async function endFailedRun(
  ctx: Ctx,
  { projectId, actor, runRef: runId, step, agentId }: ToolCall,
  { reason, message }: { reason: string; message?: string },
): Promise<void> {
  if (runId === undefined || step !== undefined) return
  const run = await findRun(ctx.sql, projectId, runId)
  if (run?.state !== 'executing' || run.execution !== 'external' || (await hasHeldLease(ctx.sql, run.id))) return
  const reporter = { projectId, actor }
  const about = { runId, agentId, ...(message !== undefined && { message }) }
  const data = { policy_reason: reason }
  const told = await appendReport(ctx, reporter, { ...about, type: 'run_finished', status: 'failed', data })
  if (told instanceof Refusal) throw told
  // Someone else ended it at this moment.
  await appendReport(ctx, reporter, {
    ...about,
    type: 'run.failed',
    ...(told.id !== null && { causationId: told.id }),
    data: { [TOLD_AS]: 'run_finished', error_code: reason },
  })
}
