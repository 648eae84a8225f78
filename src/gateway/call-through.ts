// A call through the gateway: checked, decided, perhaps approved by a person, made once, settled, and told in the log
// of its run.
import { problemsUnder } from '#access/schema/json-schema.ts'
import { findAgent } from '#agents/agents.sql.ts'
import { APPROVAL_SECS, SHOWN_ARGS_BYTES_MAX } from '#agents/approval-request.ts'
import { findAskedCall } from '#agents/asked-calls.sql.ts'
import { authorizeCall, type Decision, decisionOf } from '#agents/authorize.ts'
import { hashOfArgs } from '#agents/policy-hash.ts'
import { settleCall } from '#agents/settle-call.ts'
import { claimKeptCall, keptCallTopic } from '#agents/tools/kept-calls.ts'
import { bindCall, type CallName, dropCall, isCallKept, keepCall, leaveCall } from '#agents/tools/tools.sql.ts'
import type { Ctx } from '#bell/ctx.ts'
import { DAY_SECS } from '#core/durations.ts'
import { Refusal } from '#core/error.ts'
import type { Json } from '#core/json/json.ts'
import { own } from '#core/own.ts'
import { isForbidden } from '#core/policy.ts'
import { NO_COST } from '#core/usage/cost.ts'
import { newId } from '#postgres/id.ts'
import { awaitDecision } from './await-decision.ts'
import type { ServerOutcome, ToolResult } from './call-server.ts'
import { blockedAnswer, type GatewayAnswer, type GatewayCall, pendingAnswer, toolError } from './gateway-call.ts'
import { longestMs, makeCall } from './make-call.ts'
import { tellCall } from './tell-call.ts'

const KEPT_SECS = DAY_SECS
const EDITABLE_MAX = 100
const ARG_NAME_LENGTH_MAX = 128

/** Throws refusals of the run and its lease; whatever happens to the call itself is an answer. */
export async function callThrough(ctx: Ctx, call: GatewayCall): Promise<GatewayAnswer> {
  const problem = await argsProblem(call)
  if (problem) return { result: toolError(`invalid: ${problem}`), decision: 'refused' }
  const as = await keptAs(ctx, call)
  if (!as) return decideAndMake(ctx, call, {})
  const name = { ...nameOf(call), key: as.key }
  const token = newId()
  const { keepSecs } = as
  const claimed = await claimKeptCall(ctx, {
    name,
    token,
    keepSecs,
    longestMs: call.waitMs + longestMs(call.offered),
    takeOver: false,
    signal: call.signal,
  })
  if (!claimed.mine) return repeated(ctx, call, claimed.result!)
  return decideAndMake(ctx, call, { held: { ...name, token }, keepSecs, authorizationId: claimed.authorizationId })
}

/** Checked before a person is bothered with it, where the schema is one that can be checked. */
async function argsProblem({ projectId, offered, args }: GatewayCall): Promise<string | undefined> {
  const fields = await problemsUnder({ projectId, schema: offered.about.inputSchema, value: args, name: 'arguments' })
  const told = fields.filter(({ message }) => !message.startsWith('cannot be checked'))
  return told.length === 0 ? undefined : told.map(({ field, message }) => `${field} ${message}`).join('; ')
}

const nameOf = ({ projectId, agentId, offered }: GatewayCall) => ({ projectId, agentId, tool: offered.tool })

/** An approval is for this call of this run. */
const askedKey = ({ run, args }: GatewayCall): string => `asked:${run.id}:${hashOfArgs(args)}`

/** Under which name the call is not made twice, and for how long; undefined: it is made each time. */
async function keptAs(ctx: Ctx, call: GatewayCall): Promise<{ key: string; keepSecs: number } | undefined> {
  const asked = askedKey(call)
  if (await isCallKept(ctx.sql, { ...nameOf(call), key: asked })) return { key: asked, keepSecs: KEPT_SECS }
  if (call.key !== undefined) return { key: `run:${call.run.id}:${call.key}`, keepSecs: KEPT_SECS }
  const { offered } = call
  const keepSecs =
    offered.from === 'server'
      ? (own(offered.server.dedupWindowsSecs, offered.serverTool.name) ?? 0)
      : (offered.registered.dedupWindowSecs ?? 0)
  // A tool that was changed since is called: its result could be another one now.
  const { updatedAt } = offered.from === 'server' ? offered.server : offered.registered
  return keepSecs > 0 ? { key: `same:${hashOfArgs([updatedAt.getTime(), call.args])}`, keepSecs } : undefined
}

/** The result of an earlier call; a disabled agent gets none of those either. */
async function repeated(ctx: Ctx, call: GatewayCall, kept: Json): Promise<GatewayAnswer> {
  const agent = await findAgent(ctx.sql, call.projectId, call.agentId)
  if (agent && isForbidden(agent.policy, { enabled: agent.enabled, mode: agent.policyMode }, call.offered.tool)) {
    const decided = await decide(ctx, call, null)
    if (decided.decision === 'blocked') return blocked(ctx, call, decided)
    await settle(ctx, call, decided, { ok: false, made: false })
  }
  await tellCall(ctx, call, { status: 'repeated', durationMs: 0 })
  return { result: kept.value as ToolResult, decision: 'repeated' }
}

type Held = CallName & { token: string }
type Claimed = { held?: Held; keepSecs?: number; authorizationId?: string | null }

async function decideAndMake(ctx: Ctx, call: GatewayCall, claimed: Claimed): Promise<GatewayAnswer> {
  let { held } = claimed
  try {
    let decided = await decide(ctx, call, claimed.authorizationId ?? null)
    if (held) await bindCall(ctx.sql, { ...held, authorizationId: decided.authorizationId })
    if (decided.decision === 'asked') {
      held ??= await keepAsked(ctx, call, decided.authorizationId)
      const answered = await awaitDecision(ctx, call, decided)
      if (!answered) {
        if (held) await leaveCall(ctx.sql, held)
        return pendingAnswer(decided.authorizationId, decided.inputRequestId)
      }
      decided = answered
    }
    if (decided.decision === 'blocked') {
      if (held) await dropCall(ctx.sql, held)
      return await blocked(ctx, call, decided)
    }
    return await makeAndSettle(ctx, call, { decided, held, keepSecs: claimed.keepSecs ?? 0 })
  } catch (error) {
    if (held) await leaveCall(ctx.sql, held).catch(() => {})
    throw error
  } finally {
    if (held) ctx.ring([keptCallTopic(held)])
  }
}

/** One decision for a call, however often it comes: made once, approved once, and only while the agent may call the tool. */
async function decide(ctx: Ctx, call: GatewayCall, authorizationId: string | null): Promise<Decision> {
  const { projectId, agentId, actor, args, run, leaseToken, offered } = call
  const argsHash = hashOfArgs(args)
  const known = authorizationId ? await findAskedCall(ctx.sql, projectId, authorizationId) : undefined
  if (known && known.state !== 'settled' && known.argsHash === argsHash) {
    const agent = await findAgent(ctx.sql, projectId, agentId)
    const stopped = agent && isForbidden(agent.policy, { enabled: agent.enabled, mode: agent.policyMode }, offered.tool)
    if (!stopped) return decisionOf(known)
    // What was reserved for it is free again.
    if (known.state === 'reserved') await settle(ctx, call, decisionOf(known), { ok: false, made: false })
  }
  return authorizeCall(ctx, {
    projectId,
    agentId,
    actor,
    tool: offered.tool,
    args,
    argsHash,
    runId: run.id,
    leaseToken,
    approval: {
      editableParams: editableOf(args),
      expiresInSecs: APPROVAL_SECS,
      assignee: null,
      askedByKey: call.keyId,
    },
  })
}

/** Whoever approves a call may change any of its arguments, as long as they are shown. */
function editableOf(args: Record<string, unknown>): string[] {
  if (Buffer.byteLength(JSON.stringify(args)) > SHOWN_ARGS_BYTES_MAX) return []
  return Object.keys(args)
    .filter((name) => name.length <= ARG_NAME_LENGTH_MAX)
    .slice(0, EDITABLE_MAX)
}

/** The same call finds the question that was asked about it, on any node. */
async function keepAsked(ctx: Ctx, call: GatewayCall, authorizationId: string): Promise<Held | undefined> {
  const held = { ...nameOf(call), key: askedKey(call), token: newId() }
  const { mine } = await claimKeptCall(ctx, {
    name: held,
    token: held.token,
    longestMs: call.waitMs + longestMs(call.offered),
    keepSecs: KEPT_SECS,
    takeOver: true,
  })
  if (!mine) return undefined
  await bindCall(ctx.sql, { ...held, authorizationId })
  return held
}

async function blocked(ctx: Ctx, call: GatewayCall, { reason, authorizationId }: Decision): Promise<GatewayAnswer> {
  await tellCall(ctx, call, { status: 'blocked', durationMs: 0, message: reason })
  return blockedAnswer(call, reason, authorizationId)
}

type Allowed = { decided: Decision; held: Held | undefined; keepSecs: number }

async function makeAndSettle(
  ctx: Ctx,
  call: GatewayCall,
  { decided, held, keepSecs }: Allowed,
): Promise<GatewayAnswer> {
  const { authorizationId, params } = decided
  const beganMs = performance.now()
  const args = (params?.value as Record<string, unknown> | undefined) ?? call.args
  const problem = args === call.args ? undefined : await argsProblem({ ...call, args })
  const outcome =
    problem === undefined
      ? await makeCall(ctx, call, { args, callId: authorizationId })
      : notMade(`was not called: whoever approved the call left arguments that do not fit its schema: ${problem}`)
  const durationMs = Math.round(performance.now() - beganMs)
  const ok = outcome.ok && outcome.result.isError !== true
  // An approval is for one call: what it brought answers no other one.
  if (held)
    await (ok && !held.key.startsWith('asked:')
      ? keepCall(ctx.sql, { ...held, result: outcome.result, keepSecs })
      : dropCall(ctx.sql, held))
  await settle(ctx, call, decided, { ok, made: outcome.ok || outcome.made })
  const message = outcome.ok ? (ok ? undefined : 'the tool answered with an error') : outcome.error
  await tellCall(ctx, call, { status: ok ? 'completed' : 'failed', durationMs, message })
  const result = outcome.ok ? outcome.result : toolError(`tool_error: ${call.offered.name} ${outcome.error}`)
  return { result, decision: 'executed', reason: 'ok', authorizationId }
}

const notMade = (error: string): ServerOutcome => ({ ok: false, error, made: false, aborted: false })

type Made = { ok: boolean; made: boolean }

async function settle(ctx: Ctx, call: GatewayCall, { authorizationId }: Decision, { ok, made }: Made): Promise<void> {
  const { projectId, actor } = call
  // Not fenced by the lease: the call was made under it, and has cost what it cost.
  await settleCall(ctx, {
    projectId,
    actor,
    authorizationId,
    outcome: ok ? 'succeeded' : 'failed',
    ...(!made && { cost: NO_COST }),
  }).catch((error: unknown) => {
    // Whoever took this call over has settled it.
    if (!(error instanceof Refusal && error.code === 'authorization_not_reserved')) throw error
  })
}
