// A governed call of a tool: found, decided about, made once, settled, and told in the timeline of its run.
import type { Ctx } from '#bell/ctx.ts'
import type { Topic } from '#bell/topics.ts'
import { type Cost, NO_COST } from '#core/cost.ts'
import { Refusal, refuse } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { checkNewRunId } from '#core/external-id.ts'
import { isForbidden, type PolicyReason, type RiskLevel, riskOf } from '#core/policy.ts'
import { newId } from '#postgres/id.ts'
import { findRun } from '#run-state/read/read-runs.sql.ts'
import { appendReports, type Report } from '#runs/report/append-log.ts'
import { findAgent } from '../agents.sql.ts'
import { findAuthorization } from '../authorizations.sql.ts'
import { authorizeCall } from '../authorize.ts'
import { findRequestOf } from '../input-requests.sql.ts'
import { hashOfArgs } from '../policy-hash.ts'
import { settleCall } from '../settle-call.ts'
import { dispatchTool, longestCallMs } from './dispatch-tool.ts'
import type { CallName, KeptCall, ToolRow } from './tools.sql.ts'
import * as kept from './tools.sql.ts'
import { agentScope, GLOBAL } from './tools.ts'

export type ToolCall = {
  projectId: string
  agentId: string
  tool: string
  args: Record<string, unknown>
  actor: Actor
  /** Undefined: what the agent's policy says that it costs. */
  cost?: Cost | undefined
  /** The run that makes it, as its client names it. */
  runRef?: string | undefined
  step?: string | undefined
  /** Calls of one agent and tool with the same key are made once within a day. */
  key?: string | undefined
  /** The key is the caller's alone: a call that was left in the middle is gone on with at once. */
  resumes?: boolean
  signal?: AbortSignal | undefined
}

export type CallAnswer = {
  ok: boolean
  allowed: boolean
  decision: 'executed' | 'blocked' | 'dedup' | 'dry_run'
  reason: PolicyReason | 'tool_idempotency' | 'tool_error' | 'tool_not_found'
  riskLevel: RiskLevel
  result: Record<string, unknown>
  /** It was not made to its end, because the caller wanted to stop. */
  aborted?: boolean
}

const KEPT_SECS = 86_400
const LOOK_MS = 1_000

/** The tool of the agent's own, before the one of all. One that is switched off is none. */
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
  // A call without a key is found by its args once it was approved.
  const askedKey = `asked:${hashOfArgs(call.args)}`
  const isAsked = call.key === undefined && (await kept.isCallKept(ctx.sql, { ...nameOf(call), key: askedKey }))
  const key = isAsked ? askedKey : call.key
  if (key === undefined) return makeCall(ctx, { call, tool, token: newId() })
  const name = { ...nameOf(call), key }
  const token = newId()
  const claimed = await claim(ctx, { name, token, tool, takeOver: call.resumes ?? false })
  if (claimed.mine) return makeCall(ctx, { call, tool, token, name, authorizationId: claimed.authorizationId })
  // A switch that is off refuses everything, also what would be given again.
  const agent = await findAgent(ctx.sql, call.projectId, call.agentId)
  if (agent && !agent.enabled) {
    const decided = await decide(ctx, { call })
    if (!decided.allowed) return tellBlocked(ctx, call, decided)
    // It was switched on in this very moment; what was made already is not made again.
    await settle(ctx, call, decided, true)
  }
  if (call.resumes) return executed(claimed.result ?? {})
  await tellTimeline(ctx, call, [{ type: 'tool_result', status: 'ok', data: { decision: 'dedup' } }])
  return {
    ok: true,
    allowed: true,
    decision: 'dedup',
    reason: 'tool_idempotency',
    riskLevel: 'low',
    result: claimed.result ?? {},
  }
}

function asMissing(error: unknown): Refusal {
  if (error instanceof Refusal && error.code === 'tool_not_found') return error
  throw error
}

/**
 * An agent that may not call it is told that first, whether there is such a tool or not. Else a call of a tool that
 * there is not is told, too: its run would otherwise say nothing of why it went wrong.
 */
async function refuseMissing(ctx: Ctx, call: ToolCall, missing: Refusal): Promise<CallAnswer> {
  if (call.step !== undefined) await tellTimeline(ctx, call, [{ type: 'agent_step', status: 'start' }])
  const agent = await findAgent(ctx.sql, call.projectId, call.agentId)
  if (agent && isForbidden(agent.policy, { enabled: agent.enabled, mode: agent.policyMode }, call.tool)) {
    const decided = await decide(ctx, { call })
    if (!decided.allowed) return tellBlocked(ctx, call, decided)
    // It was let in this very moment, and there is still nothing to call.
    await settle(ctx, call, decided, false)
  }
  const data = { decision: 'blocked', policy_reason: missing.code }
  await tellTimeline(ctx, call, [{ type: 'tool_result', status: 'error', message: missing.message, data }])
  throw missing
}

const nameOf = ({ projectId, agentId, tool }: ToolCall) => ({ projectId, agentId, tool })
const topicOf = (name: CallName): Topic => `call:${name.projectId}:${name.agentId}:${name.tool}:${name.key}`

type Claim = { name: CallName; token: string; tool: ToolRow; takeOver: boolean }

/** Ours to make, or made: while somebody else makes it, what it will bring is waited for. */
async function claim(ctx: Ctx, { name, token, tool, takeOver }: Claim): Promise<KeptCall> {
  const longestMs = longestCallMs(tool)
  const asked = { ...name, token, takeOver, holdSecs: longestMs / 1000 + 5, keepSecs: KEPT_SECS }
  const endMs = performance.now() + longestMs + 10_000
  while (performance.now() < endMs) {
    const listening = ctx.listen([topicOf(name)])
    try {
      const found = await kept.claimCall(ctx.sql, asked)
      if (found.mine || found.result) return found
      await listening.rung(LOOK_MS)
    } finally {
      listening.close()
    }
  }
  throw refuse('overloaded', { what: `The tool ${name.tool}`, retryAfterMs: LOOK_MS })
}

type Made = {
  call: ToolCall
  tool: ToolRow
  token: string
  name?: CallName
  /** What was decided when the call was begun before. */
  authorizationId?: string | null
}

async function makeCall(ctx: Ctx, made: Made): Promise<CallAnswer> {
  const { call, tool, token, name } = made
  const held = name && { ...name, token }
  if (call.step !== undefined) await tellTimeline(ctx, call, [{ type: 'agent_step', status: 'start' }])
  try {
    const decided = await decide(ctx, made)
    if (held) await kept.bindCall(ctx.sql, { ...held, authorizationId: decided.authorizationId })
    if (decided.asked && !held) await keepAsked(ctx, made, decided.authorizationId)
    if (!decided.allowed) {
      // A person who approves it meanwhile lets the next call of this key through.
      if (held) await (decided.asked ? kept.leaveCall(ctx.sql, held) : kept.dropCall(ctx.sql, held))
      return await tellBlocked(ctx, call, decided)
    }
    await tellTimeline(ctx, call, [{ type: 'tool_call', status: 'start' }])
    const beganMs = performance.now()
    const { args, agentId, runRef, signal } = call
    const outcome = await dispatchTool(ctx, tool, { callId: decided.authorizationId, agentId, args, runRef, signal })
    const durationMs = Math.round(performance.now() - beganMs)
    if (!outcome.ok && outcome.aborted) {
      if (held) await kept.leaveCall(ctx.sql, held)
      return { ...failed(outcome.error), aborted: true }
    }
    if (held)
      // Without a key of its own, only this one call was approved.
      await (outcome.ok && call.key !== undefined
        ? kept.keepCall(ctx.sql, { ...held, result: outcome.result })
        : kept.dropCall(ctx.sql, held))
    await settle(ctx, call, decided, outcome.ok)
    await tellTimeline(ctx, call, [
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
    return outcome.ok ? executed(outcome.result) : failed(outcome.error)
  } catch (error) {
    if (held) await kept.leaveCall(ctx.sql, held).catch(() => {})
    throw error
  } finally {
    if (name) ctx.ring([topicOf(name)])
  }
}

async function keepAsked(ctx: Ctx, { call, token }: Made, authorizationId: string): Promise<void> {
  const name = { ...nameOf(call), key: `asked:${hashOfArgs(call.args)}`, token }
  const { mine } = await kept.claimCall(ctx.sql, { ...name, takeOver: false, holdSecs: 0, keepSecs: KEPT_SECS })
  // Somebody else was asked about the same call a moment ago: one of them is enough.
  if (mine) await kept.bindCall(ctx.sql, { ...name, authorizationId })
}

async function tellBlocked(ctx: Ctx, call: ToolCall, decided: Decided): Promise<CallAnswer> {
  const data = { decision: 'blocked', policy_reason: decided.reason }
  await tellTimeline(ctx, call, [{ type: 'tool_result', status: 'blocked', data }])
  return blocked(decided)
}

type Decided = {
  allowed: boolean
  asked: boolean
  authorizationId: string
  reason: PolicyReason
  riskLevel: RiskLevel
  inputRequestId: string | null
  /** Of the call's run, whose timeline tells of it; its decision is in the same chain. */
  chain: string | undefined
}

/**
 * One decision for a call, however often it is begun: it is charged once, and approved once. It is good for the very args
 * that it was made about, and while the agent is on.
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
  // What it was to cost is free again.
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
    // Who took this call over has settled it: what it cost is booked.
    if (!(error instanceof Refusal && error.code === 'authorization_not_reserved')) throw error
  })
}

/** What the run's timeline is told; a call of no run has none. */
export async function tellTimeline(ctx: Ctx, call: ToolCall, events: readonly Omit<Report, 'runId'>[]): Promise<void> {
  const { projectId, actor, runRef: runId, step, tool, agentId } = call
  if (runId === undefined) return
  const reports = events.map((event) => ({ ...event, runId, step, tool, agentId }))
  for (const answer of await appendReports(ctx, { projectId, actor }, reports))
    if (answer instanceof Error) throw answer
}

const executed = (result: Record<string, unknown>): CallAnswer => ({
  ok: true,
  allowed: true,
  decision: 'executed',
  reason: 'ok',
  riskLevel: riskOf('ok'),
  result,
})

/** It was made, and counts, and brought nothing. */
export const failed = (error: string): CallAnswer => ({
  ok: false,
  allowed: true,
  decision: 'executed',
  reason: 'tool_error',
  riskLevel: 'medium',
  result: { error },
})

const blocked = ({ reason, riskLevel, inputRequestId }: Decided): CallAnswer => ({
  ok: false,
  allowed: false,
  decision: 'blocked',
  reason,
  riskLevel,
  result: inputRequestId ? { input_request_id: inputRequestId } : {},
})
