// Actions that are executed here under a lease: one after the other, each a governed call of a tool. How one ended is
// written down before the next begins, so whoever goes on after a crash repeats none that had ended.
import { Refusal } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { costOf, judge, NO_POLICY, riskOf } from '#core/policy.ts'
import { findAgent } from '#storage/agents.ts'
import { type ActionDone, type LeaseEnd, type LeaseRow, lockLease, type Plan, type PlannedAction, saveActionDone } from '#storage/ai-leases.ts'
import { readToday } from '#storage/authorizations.ts'
import type { Sql } from '#storage/sql.ts'
import { followEnd, writeEnd } from './ai-leases.ts'
import { appendReports, type Report } from './append-log.ts'
import { type CallAnswer, callTool, findToolOf, type ToolCall } from './call-tool.ts'
import type { Ctx } from './ctx.ts'

/** `stop`: begin no other action; `cut`: end the one under way, too. */
type Executing = { stop: AbortSignal; cut: AbortSignal; runRef: string }

/** Executes what is left of a plan, until it ends or is to be left to others. */
export async function executePlan(ctx: Ctx, plan: Plan, { stop, cut: signal, runRef }: Executing): Promise<void> {
  let done = plan.done
  const actor: Actor = { type: 'agent', id: plan.agentId }
  for (;;) {
    const index = done.length
    const action = plan.actions[index]
    if (!action || done.some((it) => !it.ok)) {
      await finish(ctx, { plan, actor, done })
      return
    }
    if (stop.aborted || signal.aborted) return
    const call: ToolCall = {
      ...{ projectId: plan.projectId, agentId: plan.agentId, tool: action.tool, args: action.args, actor, runRef, signal },
      ...{ costMicrousd: action.spendMicrousd, step: `step_${index + 1}`, key: `${plan.leaseId}/${index}`, resumes: true },
    }
    const answer = plan.dryRun ? await tryCall(ctx, call) : await callTool(ctx, call).catch(asAnswer)
    if (answer.aborted) return
    const next = shown(action, answer)
    if (!(await saveDone(ctx, plan, next))) return
    done = [...done, next]
  }
}

/** False when the plan is somebody else's, or its lease is over: what comes next is not ours to do. */
const saveDone = (ctx: Ctx, plan: Plan, done: ActionDone): Promise<boolean> =>
  ctx.sql.begin((tx) => saveActionDone(tx as unknown as Sql, plan, done)) as Promise<boolean>

/** A tool that is not there any more fails its action; anything else that is thrown is a reason to try again later. */
function asAnswer(error: unknown): CallAnswer {
  if (!(error instanceof Refusal && error.code === 'tool_not_found')) throw error
  return notFound(error.message)
}

const notFound = (message: string): CallAnswer => ({
  ...{ ok: false, allowed: false, decision: 'blocked', reason: 'tool_not_found', riskLevel: 'medium' },
  result: { error: message },
})

const shown = ({ tool }: PlannedAction, { ok, allowed, decision, reason, riskLevel, result }: CallAnswer): ActionDone => ({
  ...{ tool, ok, allowed, decision, policy_reason: reason, risk_level: riskLevel, result },
})

/** What would become of a call: it is judged as if it were made, and neither made nor counted. */
async function tryCall(ctx: Ctx, call: ToolCall): Promise<CallAnswer> {
  const answer = await judgeOnly(ctx, call)
  const { projectId, actor, runRef: runId, step, tool, agentId } = call
  const about = { runId, step, tool, agentId }
  const data = { decision: answer.decision, policy_reason: answer.reason, dry_run: true }
  const events: Report[] = [
    { ...about, type: 'agent_step', status: 'start' },
    { ...about, type: 'tool_result', status: answer.ok ? 'ok' : 'blocked', data },
  ]
  for (const it of await appendReports(ctx, { projectId, actor }, events)) if (it instanceof Error) throw it
  return answer
}

async function judgeOnly(ctx: Ctx, call: ToolCall): Promise<CallAnswer> {
  const tool = await findToolOf(ctx, call).catch(asAnswer)
  if ('decision' in tool) return tool
  const { projectId, agentId, costMicrousd } = call
  const agent = await findAgent(ctx.sql, projectId, agentId)
  const { sums, hour } = await readToday(ctx.sql, [{ projectId, agentId }])
  const policy = agent?.policy ?? NO_POLICY
  const reason = judge(
    policy,
    {
      enabled: agent?.enabled ?? true,
      actionsThisHour: total(sums.filter((it) => it.hour.getTime() === hour.getTime()).map((it) => it.allowed)),
      callsOfToolToday: total(sums.filter((it) => it.tool === call.tool).map((it) => it.allowed)),
      spendTodayMicrousd: total(sums.map((it) => it.costMicrousd)),
    },
    { tool: call.tool, costMicrousd: costOf(policy, call.tool, costMicrousd) },
  )
  const allowed = reason === 'ok' || (agent?.policyMode === 'observe' && reason !== 'agent_disabled')
  return {
    ...{ ok: allowed, allowed, decision: allowed ? 'dry_run' : 'blocked', reason: allowed ? 'ok' : reason },
    ...{ riskLevel: riskOf(allowed ? 'ok' : reason), result: {} },
  }
}

const total = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0)

type Finished = { plan: Plan; actor: Actor; done: readonly ActionDone[] }

/** All are done, or one of them was not: those after it would stand on nothing. */
async function finish(ctx: Ctx, { plan, actor, done }: Finished): Promise<void> {
  const bad = done.find((it) => !it.ok)
  const result = { actions: done, ...(plan.dryRun && { dry_run: true }) }
  const end: LeaseEnd = bad ? { state: 'failed', result, errorCode: bad.policy_reason } : { state: 'completed', result }
  const ended = (await ctx.sql.begin(async (transaction) => {
    const tx = transaction as unknown as Sql
    const lease = await lockLease(tx, plan)
    return lease?.leaseId === plan.leaseId && lease.state === 'held' ? writeEnd(tx, lease, { actor, end }) : undefined
  })) as LeaseRow | undefined
  if (ended) await followEnd(ctx, ended)
}
