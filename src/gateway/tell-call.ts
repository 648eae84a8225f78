// The runs that calls belong to: begun with the first call of a session, told of each, and ended with the session.
import type { Ctx } from '#bell/ctx.ts'
import { Refusal, refuse } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { checkNewRunId } from '#core/external-id.ts'
import { isOver } from '#core/run.ts'
import { appendEvent } from '#log/append-event.ts'
import { findRun, type RunRow } from '#run-state/read/read-runs.sql.ts'
import { appendReport } from '#runs/report/append-log.ts'
import type { GatewayCall } from './gateway-call.ts'

type Session = { projectId: string; actor: Actor; agentId: string; runRef: string; client?: string | undefined }

/** The run of that name; an unknown one begins here, as one that somebody else executes. */
export async function runOfSession(ctx: Ctx, { projectId, actor, agentId, runRef, client }: Session): Promise<RunRow> {
  const known = await findRun(ctx.sql, projectId, runRef)
  if (known) {
    if (isOver(known.state)) throw refuse('run_over', { runId: runRef, state: known.state })
    return known
  }
  checkNewRunId(runRef, 'runyard.run_id')
  const data = { agent_id: agentId, ...(client !== undefined && { client }) }
  const report = { runId: runRef, type: 'mcp.session_started', agentId, data }
  const told = await appendReport(ctx, { projectId, actor }, report)
  if (told instanceof Refusal) throw told
  return (await findRun(ctx.sql, projectId, runRef))!
}

/** Its client has said goodbye. A session that made no call has no run, and one that was ended stays as it is. */
export async function endSession(ctx: Ctx, { projectId, actor, runRef }: Omit<Session, 'agentId'>): Promise<void> {
  const run = await findRun(ctx.sql, projectId, runRef)
  if (!run || isOver(run.state) || run.execution !== 'external') return
  const told = await appendReport(ctx, { projectId, actor }, { runId: runRef, type: 'run.completed' })
  if (told instanceof Refusal && told.code !== 'run_over') throw told
}

type Ended = {
  status: 'completed' | 'failed' | 'blocked' | 'repeated'
  durationMs: number
  message?: string | undefined
}

/** One span of the run's timeline; the decision and its cost are events of their own. */
export async function tellCall(ctx: Ctx, call: GatewayCall, { status, durationMs, message }: Ended): Promise<void> {
  const { projectId, actor, agentId, run, offered } = call
  const failed = status === 'failed' || status === 'blocked'
  await appendEvent(ctx, {
    projectId,
    actor,
    runId: run.id,
    agentId,
    type: `agent.tool_call.${failed ? 'failed' : 'completed'}`,
    tool: offered.tool,
    status,
    durationMs,
    message,
    data: { via: 'mcp', ...(offered.from === 'server' && { tool_server: offered.server.name }) },
  })
}
