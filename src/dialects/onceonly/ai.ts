// AI leases and governed calls, in OnceOnly's words.
import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import type { LeaseRow } from '#agents/leases/ai-leases.sql.ts'
import { endLease, extendLease, findLeaseNow, type LeaseRequest } from '#agents/leases/ai-leases.ts'
import { acquireLeaseOnPlan } from '#agents/leases/lease-on-plan.ts'
import { hashOfArgs } from '#agents/policy-hash.ts'
import { callToolOnPlan } from '#agents/tools/call-on-plan.ts'
import type { Ctx } from '#bell/ctx.ts'
import { standingOf } from '#core/ai-lease.ts'
import { refuse } from '#core/error.ts'
import { parsedJson } from '#core/json/json.ts'
import { costOfMicrousd, PICOUSD } from '#core/usage/cost.ts'
import { ttlWithin } from '#core/usage/plan.ts'
import type { ScopedCaller } from '#http/caller.ts'
import { implement } from '#http/implement.ts'
import { planOf } from '#usage/plan-of.ts'
import * as contract from './ai-contract.ts'
import { fieldRefusal, onceRefusal } from './wording.ts'

export { ONCEONLY_AI_ROUTES } from './ai-contract.ts'

/** When clients should poll again, or earlier when the lease expires before. */
const RETRY_SECS = 5
/** Clients automatically retry a call that takes longer than they wait: it is the same call. */
const DEDUP_WINDOW_SECS = 300
/** The agent for actions that name none; its policy is set like any other. */
const USUAL_AGENT = 'default'

export function onceonlyAiRoutes(app: FastifyInstance, { ctx }: { ctx: Ctx }): void {
  implement(app, contract.leaseKey, ({ key, ttl, metadata }, caller) => {
    const { run_id, agent_id } = metadata ?? {}
    return lease(ctx, caller, { key, ttl, runRef: run_id ?? undefined, agentId: agent_id ?? undefined })
  })
  implement(app, contract.runAi, async (body, caller): Promise<Record<string, unknown>> => {
    const governed = body.agent_id != null || body.tool != null
    if (governed === (body.key != null)) throw fieldRefusal(['body'], 'give either key, or agent_id and tool', body)
    return governed ? call(ctx, caller, body) : run(ctx, caller, body)
  })
  implement(app, contract.readStatus, async ({ key }, { projectId }) => {
    const row = await findLeaseNow(ctx, { projectId, key })
    const standing = row && standingOf(row)
    if (!standing) throw refuse('lease_not_found', { key })
    return { ok: true, status: standing.status, key, ...standingWire(row) }
  })
  implement(app, contract.readResult, async ({ key }, { projectId }) => {
    const row = await findLeaseNow(ctx, { projectId, key })
    const standing = row && standingOf(row)
    if (!standing) throw refuse('lease_not_found', { key })
    const { result_hash, error_code, done_at } = standingWire(row)
    return { ok: true, status: standing.status, key, result: row.result, result_hash, error_code, done_at }
  })
  holderRoutes(app, ctx)
}

function holderRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.extendLease, async ({ key, lease_id, ttl }, { projectId, actor }) => {
    const ttlSecs = ttlWithin(await planOf(ctx, projectId), ttl ?? undefined)
    const row = await extendLease(ctx, { projectId, key, actor, leaseId: lease_id, ttlSecs })
    return { ok: true, status: 'extended', key, ttl: row.ttlSecs, lease_id: row.leaseId, version: row.version }
  })
  implement(app, contract.completeLease, async ({ key, lease_id, result, result_hash }, { projectId, actor }) => {
    const end = { state: 'completed', result, resultHash: result_hash } as const
    return endedWire(await endLease(ctx, { projectId, key, actor, leaseId: lease_id, end }))
  })
  implement(app, contract.failLease, async ({ key, lease_id, error_code, error_hash }, { projectId, actor }) => {
    const end = { state: 'failed', errorCode: error_code, resultHash: error_hash } as const
    return endedWire(await endLease(ctx, { projectId, key, actor, leaseId: lease_id, end }))
  })
  implement(app, contract.cancelLease, async ({ key, lease_id, reason }, { projectId, actor }) => {
    const asked = { projectId, key, actor, leaseId: lease_id, ...(reason != null && { reason }) }
    return endedWire(await endLease(ctx, { ...asked, end: { state: 'cancelled' } }))
  })
}

type LeaseInput = {
  key: string
  ttl?: number | null | undefined
  runRef: string | undefined
  agentId: string | undefined
  agenda?: LeaseRequest['agenda']
}

async function lease(
  ctx: Ctx,
  { projectId, actor }: ScopedCaller,
  it: LeaseInput,
): Promise<Static<typeof contract.Lease>> {
  const { key, ttl, runRef = key, agentId, agenda } = it
  const plan = await planOf(ctx, projectId)
  const {
    acquired,
    lease: row,
    usage,
  } = await acquireLeaseOnPlan(ctx, {
    projectId,
    key,
    actor,
    runRef,
    agentId,
    agenda,
    ttlSecs: ttlWithin(plan, ttl ?? undefined),
    plan,
  })
  const { status } = standingOf(row)!
  const standing = standingWire(row)
  return {
    ok: true,
    status: acquired ? 'acquired' : status === 'in_progress' ? 'polling' : status,
    key,
    ttl: row.ttlSecs,
    ...standing,
    ...(acquired && { ttl_left: null, retry_after_sec: null }),
    usage,
    limit: plan.months.ai,
    charged: acquired ? 1 : 0,
  }
}

type RunInput = Static<(typeof contract.runAi)['body']>

function run(ctx: Ctx, caller: ScopedCaller, { key, ttl, metadata }: RunInput) {
  const { run_id, agent_id, actions, dry_run } = metadata ?? {}
  const agenda = {
    agentId: agent_id ?? USUAL_AGENT,
    dryRun: dry_run ?? false,
    actions: (actions ?? []).slice(0, contract.ACTIONS_MAX).map(({ tool, args, spend_usd }) => ({
      tool,
      args: args ?? {},
      ...(spend_usd != null && { spendMicrousd: microusd(spend_usd) }),
    })),
  }
  return lease(ctx, caller, { key: key!, ttl, runRef: run_id ?? undefined, agentId: agenda.agentId, agenda })
}

async function call(ctx: Ctx, { projectId, actor }: ScopedCaller, body: RunInput) {
  const { agent_id, tool, spend_usd } = body
  if (agent_id == null) throw missing('agent_id', body)
  if (tool == null) throw missing('tool', body)
  const args = body.args ?? {}
  const { run_id, idempotency_key } = parsedJson(args) as Record<string, unknown>
  const runRef = shortText(run_id, 256)
  const key = shortText(idempotency_key, 256)
  const plan = await planOf(ctx, projectId)
  const asked = {
    projectId,
    actor,
    agentId: agent_id,
    tool,
    args,
    runRef,
    ...(spend_usd != null && { cost: costOfMicrousd(microusd(spend_usd)) }),
    // A named run says which calls belong together: an equal call in it is the same call.
    key: key !== undefined ? `key:${key}` : runRef !== undefined ? `args:${hashOfArgs(args)}` : undefined,
    dedupWindowSecs: DEDUP_WINDOW_SECS,
  }
  const answer = await callToolOnPlan(ctx, asked, plan)
  const { ok, allowed, decision, reason, riskLevel, result } = answer
  return { ok, allowed, decision, policy_reason: reason, risk_level: riskLevel, result }
}

/** With a fraction, to the millionth of a micro-dollar: a call may cost less than one. */
export const microusd = (usd: number): number => {
  const { microusd: whole, picousd } = costOfMicrousd(usd * 1_000_000)
  return whole + picousd / PICOUSD
}

/** A tool's own args may use these names for something else; unusable text was not meant for us. */
const shortText = (value: unknown, lengthMax: number): string | undefined =>
  typeof value === 'string' && value.trim() !== '' && value.length <= lengthMax ? value : undefined

const missing = (field: string, input: unknown) =>
  onceRefusal(422, [{ type: 'missing', loc: ['body', field], msg: 'Field required', input }])

/** To the second, like OnceOnly's own times. */
export const second = (at: Date | null): string | null => at && `${at.toISOString().slice(0, 19)}Z`

function standingWire(row: LeaseRow) {
  const { status, errorCode } = standingOf(row)!
  const working = status === 'in_progress'
  return {
    ttl_left: working ? Math.ceil(row.leftMs / 1000) : null,
    lease_id: row.leaseId,
    version: row.version,
    first_seen_at: second(row.firstSeenAt),
    done_at: second(row.doneAt),
    result_hash: row.resultHash,
    error_code: errorCode,
    retry_after_sec: working ? Math.max(1, Math.min(RETRY_SECS, Math.ceil(row.leftMs / 1000))) : null,
  }
}

const endedWire = (row: LeaseRow) => ({
  ok: true,
  status: row.state,
  key: row.key,
  lease_id: row.leaseId,
  version: row.version,
  done_at: second(row.doneAt),
  result_hash: row.resultHash,
  error_code: standingOf(row)!.errorCode,
})
