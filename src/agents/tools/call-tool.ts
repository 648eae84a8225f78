// A governed tool call: looked up, decided, made once, settled, and recorded in the timeline of its run.
import type { Ctx } from '#bell/ctx.ts'
import { DAY_SECS } from '#core/durations.ts'
import { Refusal, refuse } from '#core/error.ts'
import { checkNewRunId } from '#core/external-id.ts'
import { isForbidden, type PolicyReason, type RiskLevel } from '#core/policy.ts'
import { NO_COST } from '#core/usage/cost.ts'
import { newId } from '#postgres/id.ts'
import { findRun } from '#run-state/read/read-runs.sql.ts'
import { findAgent } from '../agents.sql.ts'
import { findAuthorization } from '../authorizations.sql.ts'
import { authorizeCall } from '../authorize.ts'
import { findRequestOf } from '../input-requests.sql.ts'
import { hashOfArgs } from '../policy-hash.ts'
import { settleCall } from '../settle-call.ts'
import { dispatchTool, longestCallMs } from './dispatch-tool.ts'
import { blocked, type CallAnswer, executed, failed, type ToolCall } from './governed-call.ts'
import { claimKeptCall, keptCallTopic } from './kept-calls.ts'
import { appendTimelineEvents, endFailedRun } from './tell-run.ts'
import type { CallName, ToolRow } from './tools.sql.ts'
import * as kept from './tools.sql.ts'
import { agentScope, GLOBAL } from './tools.ts'

const KEPT_SECS = DAY_SECS

/** The agent's own tool takes precedence over the global one. A disabled tool does not exist. */
export async function findToolOf(ctx: Ctx, { projectId, agentId, tool: name }: ToolCall): Promise<ToolRow> {
  const tool =
    (await kept.findTool(ctx.sql, { projectId, name, scopeId: agentScope(agentId) })) ??
    (await kept.findTool(ctx.sql, { projectId, name, scopeId: GLOBAL }))
  if (!tool?.enabled) throw refuse('tool_not_found', { tool: name })
  return tool
}

export async function callTool(ctx: Ctx, call: ToolCall): Promise<CallAnswer> {
  const tool = await findToolOf(ctx, call).catch(asMissing)
  if (tool instanceof Refusal) return refuseMissing(ctx, call, tool)
  // A call without a key is found by its args once it has been approved.
  const isAsked = call.key === undefined && (await kept.isCallKept(ctx.sql, { ...nameOf(call), key: askedKey(call) }))
  const as = isAsked ? { key: askedKey(call), keepSecs: KEPT_SECS } : keptAs(call, tool)
  if (!as) return makeCall(ctx, { call, tool, token: newId() })
  const name = { ...nameOf(call), key: as.key }
  const token = newId()
  const takeOver = call.resumes ?? false
  const claimed = await claimKeptCall(ctx, {
    name,
    token,
    longestMs: longestCallMs(tool),
    keepSecs: as.keepSecs,
    takeOver,
  })
  if (claimed.mine)
    return makeCall(ctx, { call, tool, token, name, keepSecs: as.keepSecs, authorizationId: claimed.authorizationId })
  // A disabled agent is refused everything, even results of earlier calls.
  const agent = await findAgent(ctx.sql, call.projectId, call.agentId)
  if (agent && !agent.enabled) {
    const decided = await decide(ctx, { call })
    if (!decided.allowed) return tellBlocked(ctx, call, decided)
    // It was enabled at this very moment; a call already made is not made again.
    await settle(ctx, call, decided, true)
  }
  if (call.resumes) return executed(claimed.result ?? {})
  await appendTimelineEvents(ctx, call, [{ type: 'tool_result', status: 'ok', data: { decision: 'dedup' } }])
  return {
    ok: true,
    allowed: true,
    decision: 'dedup',
    reason: 'tool_idempotency',
    riskLevel: 'low',
    result: claimed.result ?? {},
  }
}

const askedKey = ({ args }: ToolCall): string => `asked:${hashOfArgs(args)}`

/** The identity of a repeated call, and for how long it is not made again; undefined: it always is. */
export function keptAs(call: ToolCall, tool: ToolRow): { key: string; keepSecs: number } | undefined {
  if (call.key !== undefined) return { key: call.key, keepSecs: KEPT_SECS }
  const keepSecs = tool.dedupWindowSecs ?? call.dedupWindowSecs ?? 0
  // A tool that has been changed since is called: its result could differ now.
  const { scopeId, updatedAt } = tool
  return keepSecs > 0 ? { key: `same:${hashOfArgs([scopeId, updatedAt.getTime(), call.args])}`, keepSecs } : undefined
}

function asMissing(error: unknown): Refusal {
  if (error instanceof Refusal && error.code === 'tool_not_found') return error
  throw error
}

/**
 * An agent that may not call the tool learns that first, whether the tool exists or not. Otherwise a call of an unknown
 * tool is recorded too: its run would not say why it failed.
 */
async function refuseMissing(ctx: Ctx, call: ToolCall, missing: Refusal): Promise<CallAnswer> {
  if (call.step !== undefined) await appendTimelineEvents(ctx, call, [{ type: 'agent_step', status: 'start' }])
  const agent = await findAgent(ctx.sql, call.projectId, call.agentId)
  if (agent && isForbidden(agent.policy, { enabled: agent.enabled, mode: agent.policyMode }, call.tool)) {
    const decided = await decide(ctx, { call })
    if (!decided.allowed) return tellBlocked(ctx, call, decided)
    // It was allowed at this very moment, and there is still nothing to call.
    await settle(ctx, call, decided, false)
  }
  const data = { decision: 'blocked', policy_reason: missing.code }
  await appendTimelineEvents(ctx, call, [
    ...beganBy(call),
    { type: 'tool_result', status: 'error', message: missing.message, data },
  ])
  await endFailedRun(ctx, call, { reason: missing.code, message: missing.message })
  throw missing
}

const nameOf = ({ projectId, agentId, tool }: ToolCall) => ({ projectId, agentId, tool })

type Made = {
  call: ToolCall
  tool: ToolRow
  token: string
  name?: CallName
  /** How long its result answers calls with the same identity. */
  keepSecs?: number
  /** The decision of an earlier start of this call. */
  authorizationId?: string | null
}

async function makeCall(ctx: Ctx, made: Made): Promise<CallAnswer> {
  const { call, tool, token, name, keepSecs = 0 } = made
  const held = name && { ...name, token }
  if (call.step !== undefined) await appendTimelineEvents(ctx, call, [{ type: 'agent_step', status: 'start' }])
  try {
    const decided = await decide(ctx, made)
    if (held) await kept.bindCall(ctx.sql, { ...held, authorizationId: decided.authorizationId })
    const isAsked = name?.key === askedKey(call)
    if (decided.asked && call.key === undefined && !isAsked) await keepAsked(ctx, made, decided.authorizationId)
    if (!decided.allowed) {
      // Someone may approve it meanwhile, which lets the next call with this key through.
      const isLeft = decided.asked && (call.key !== undefined || isAsked)
      if (held) await (isLeft ? kept.leaveCall(ctx.sql, held) : kept.dropCall(ctx.sql, held))
      return await tellBlocked(ctx, call, decided)
    }
    await appendTimelineEvents(ctx, call, [{ type: 'tool_call', status: 'start' }])
    const beganMs = performance.now()
    const { args, agentId, runRef, signal } = call
    const outcome = await dispatchTool(ctx, tool, { callId: decided.authorizationId, agentId, args, runRef, signal })
    const durationMs = Math.round(performance.now() - beganMs)
    if (!outcome.ok && outcome.aborted) {
      if (held) await kept.leaveCall(ctx.sql, held)
      return { ...failed(outcome.error), aborted: true }
    }
    if (held)
      // Only this one call was approved: its result answers no other.
      await (outcome.ok && !isAsked
        ? kept.keepCall(ctx.sql, { ...held, result: outcome.result, keepSecs })
        : kept.dropCall(ctx.sql, held))
    await settle(ctx, call, decided, outcome.ok)
    await appendTimelineEvents(ctx, call, [
      outcome.ok
        ? { type: 'tool_result', status: 'ok', durationMs, data: { decision: 'executed' } }
        : {
            type: 'tool_result',
            status: 'error',
            durationMs,
            message: outcome.error,
            data: { decision: 'executed', policy_reason: 'tool_error' },
          },
    ])
    if (outcome.ok) return executed(outcome.result)
    await endFailedRun(ctx, call, { reason: 'tool_error', message: outcome.error })
    return failed(outcome.error)
  } catch (error) {
    if (held) await kept.leaveCall(ctx.sql, held).catch(() => {})
    throw error
  } finally {
    if (name) ctx.ring([keptCallTopic(name)])
  }
}

async function keepAsked(ctx: Ctx, { call, token }: Made, authorizationId: string): Promise<void> {
  const name = { ...nameOf(call), key: askedKey(call), token }
  const { mine } = await kept.claimCall(ctx.sql, { ...name, takeOver: false, holdSecs: 0, keepSecs: KEPT_SECS })
  // Someone else asked about the same call a moment ago: one question is enough.
  if (mine) await kept.bindCall(ctx.sql, { ...name, authorizationId })
}

async function tellBlocked(ctx: Ctx, call: ToolCall, decided: Decided): Promise<CallAnswer> {
  const data = { decision: 'blocked', policy_reason: decided.reason }
  await appendTimelineEvents(ctx, call, [...beganBy(call), { type: 'tool_result', status: 'blocked', data }])
  // An approval lets it continue.
  if (!decided.asked) await endFailedRun(ctx, call, { reason: decided.reason })
  return blocked(decided)
}

/**
 * In its own run, a call that was not made is recorded like one that was; a step of an agenda begins with its step
 * event.
 */
const beganBy = ({ step }: ToolCall) => (step === undefined ? [{ type: 'tool_call', status: 'start' }] : [])

type Decided = {
  allowed: boolean
  asked: boolean
  authorizationId: string
  reason: PolicyReason
  riskLevel: RiskLevel
  inputRequestId: string | null
  /** For the timeline of the call's run; its decision is in the same chain. */
  chain: string | undefined
}

/**
 * One decision per call, however often it is started: it is charged once, and approved once. It is valid for exactly
 * the args that it was made about, and while the agent is enabled.
 */
async function decide(ctx: Ctx, { call, authorizationId }: Pick<Made, 'call' | 'authorizationId'>): Promise<Decided> {
  const { projectId, agentId, tool, args, actor, cost, runRef } = call
  const run = runRef === undefined ? undefined : await findRun(ctx.sql, projectId, runRef)
  if (runRef !== undefined && !run) checkNewRunId(runRef, 'args.run_id')
  const chain = run?.correlationId
  const argsHash = hashOfArgs(args)
  const row = authorizationId ? await findAuthorization(ctx.sql, projectId, authorizationId) : undefined
  const isOpen = row && row.state !== 'settled' && row.argsHash === argsHash
  const agent = isOpen ? await findAgent(ctx.sql, projectId, agentId) : undefined
  const stopped = isOpen && agent && isForbidden(agent.policy, { enabled: agent.enabled, mode: agent.policyMode }, tool)
  // Its reserved cost is released.
  if (stopped && row.state === 'reserved')
    await settleCall(ctx, { projectId, actor, authorizationId: row.id, cost: NO_COST, outcome: 'failed', chain })
  if (isOpen && !stopped)
    return {
      chain,
      allowed: row.state === 'reserved',
      asked: row.state === 'asked',
      authorizationId: row.id,
      reason: row.reason,
      riskLevel: row.riskLevel,
      inputRequestId: row.state === 'asked' ? await findRequestOf(ctx.sql, row.id) : null,
    }
  const about = { projectId, agentId, tool, args, actor, cost, argsHash }
  const { decision, ...decided } = await authorizeCall(ctx, { ...about, runId: run?.id, chain })
  return { ...decided, chain, allowed: decision === 'allowed', asked: decision === 'asked' }
}

async function settle(ctx: Ctx, { projectId, actor }: ToolCall, decided: Decided, ok: boolean): Promise<void> {
  const { authorizationId, chain } = decided
  const outcome = ok ? 'succeeded' : 'failed'
  await settleCall(ctx, { projectId, actor, authorizationId, outcome, chain }).catch((error: unknown) => {
    // Whoever took this call over has settled it: its cost is charged.
    if (!(error instanceof Refusal && error.code === 'authorization_not_reserved')) throw error
  })
}
