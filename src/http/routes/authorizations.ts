import type { FastifyInstance } from 'fastify'
import { SHOWN_ARGS_BYTES_MAX } from '#agents/approval-request.ts'
import { findAskedCall } from '#agents/asked-calls.sql.ts'
import { type AuthorizationRow, findAuthorization, listAuthorizations } from '#agents/authorizations.sql.ts'
import { authorizeCall, type CallRequest, type Decision, decisionOf } from '#agents/authorize.ts'
import { sumAgent, sumSpend } from '#agents/call-sums.sql.ts'
import { hashOfArgs } from '#agents/policy-hash.ts'
import { authorizeAndRest } from '#agents/rest-for-approval.ts'
import { settleCall } from '#agents/settle-call.ts'
import type { Ctx } from '#bell/ctx.ts'
import * as authorizations from '#contract/authorizations.ts'
import { DAY_MS, HOUR_MS } from '#core/durations.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { parsedJson, printJson } from '#core/json/json.ts'
import { addCosts, type Cost, costOfMicrousd, NO_COST, shownMicrousd } from '#core/usage/cost.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { type LedgerTotals, sumLedger } from '#usage/ledger.sql.ts'
import { agentOfRun } from '#usage/spend.ts'
import { sumAgentModels, sumModelSpend } from '#usage/usage.sql.ts'
import { implement } from '../implement.ts'
import { createdCursor, createdKey, encodeCursor, pageOf } from '../wire/cursor.ts'
import { toWire } from '../wire/words.ts'
import { attemptOf } from './attempts.ts'

const SPEND_ROWS_MAX = 10_000

const costWire = <Row extends { cost: Cost }>({ cost, ...row }: Row) => ({
  ...toWire(row),
  cost_microusd: shownMicrousd(cost),
})
const authorizationWire = ({ projectId: _, hour: __, ...row }: AuthorizationRow) => costWire(row)

const decisionWire = ({ params, ...decision }: Decision) =>
  costWire({ ...decision, params: params as object as Record<string, unknown> | null })

type CallInput = { tool: string; args?: unknown; cost_microusd?: number }
const callOf = ({
  tool,
  args,
  cost_microusd,
}: CallInput): Pick<CallRequest, 'tool' | 'cost' | 'args' | 'argsHash'> => ({
  tool,
  cost: cost_microusd === undefined ? undefined : costOfMicrousd(cost_microusd),
  args,
  argsHash: args === undefined ? undefined : hashOfArgs(args),
})

type ApprovalInput = { args?: unknown; editable_params: string[]; expires_in_secs: number; assignee?: string }

function approvalOf({
  args: written,
  editable_params,
  expires_in_secs,
  assignee,
}: ApprovalInput): CallRequest['approval'] {
  const args = parsedJson(written)
  if (editable_params.length > 0) {
    if (typeof args !== 'object' || args === null || Array.isArray(args))
      throw refuseField('args', 'must be an object, since editable_params names some of them')
    if (Buffer.byteLength(printJson(written)) > SHOWN_ARGS_BYTES_MAX)
      throw refuseField('args', `exceed ${SHOWN_ARGS_BYTES_MAX} bytes, beyond which they cannot be edited`)
    const unknown = editable_params.find((name) => !Object.hasOwn(args, name))
    if (unknown !== undefined) throw refuseField('editable_params', `names ${unknown}, which is not in args`)
  }
  return { editableParams: editable_params, expiresInSecs: expires_in_secs, assignee: assignee ?? null }
}

type Settlement = { authorization_id: string; outcome: 'succeeded' | 'failed'; cost_microusd?: number | undefined }

export function authorizationRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, authorizations.authorizeCall, async ({ agent_id, run_id, ...call }, { projectId, actor }) => {
    const runId = run_id === undefined ? undefined : (await requireRun(ctx, projectId, run_id)).id
    return decisionWire(await authorizeCall(ctx, { projectId, actor, agentId: agent_id, runId, ...callOf(call) }))
  })
  implement(app, authorizations.authorizeOwnCall, async ({ key, wait, ...input }, caller) => {
    const { projectId, actor, runId, leaseToken } = caller
    if (wait && key === undefined) throw refuseField('key', 'is required with wait')
    const run = await requireRun(ctx, projectId, runId)
    // The policy of a run without an agent is the one named after its job.
    const agentId = agentOfRun(run)
    const approval = approvalOf(input)
    const asked = { projectId, actor, agentId, runId, leaseToken, key, approval, ...callOf(input) }
    return decisionWire(wait ? await authorizeAndRest(ctx, attemptOf(caller), asked) : await authorizeCall(ctx, asked))
  })
  implement(app, authorizations.getOwnAuthorization, async ({ run_id, authorization_id }, { projectId }) => {
    const run = await requireRun(ctx, projectId, run_id)
    const row = await findAskedCall(ctx.sql, projectId, authorization_id)
    if (row?.runId !== run.id) throw refuse('authorization_not_found', { authorizationId: authorization_id })
    return decisionWire(decisionOf(row))
  })
  implement(app, authorizations.getAuthorization, async ({ agent_id, authorization_id }, { projectId }) => {
    const row = await findAuthorization(ctx.sql, projectId, authorization_id)
    if (row?.agentId !== agent_id) throw refuse('authorization_not_found', { authorizationId: authorization_id })
    return authorizationWire(row)
  })
  const settled = async (
    { authorization_id, outcome, cost_microusd }: Settlement,
    { projectId, actor, leaseToken }: { projectId: string; actor: Actor; leaseToken?: string },
    isTheirs: (row: AuthorizationRow) => boolean,
  ) => {
    const row = await findAuthorization(ctx.sql, projectId, authorization_id)
    if (!row || !isTheirs(row)) throw refuse('authorization_not_found', { authorizationId: authorization_id })
    const cost = cost_microusd === undefined ? undefined : costOfMicrousd(cost_microusd)
    const asked = { projectId, actor, leaseToken, authorizationId: row.id, outcome, cost }
    return authorizationWire(await settleCall(ctx, asked))
  }
  implement(app, authorizations.settleCall, ({ agent_id, ...settlement }, caller) =>
    settled(settlement, caller, (row) => row.agentId === agent_id),
  )
  implement(app, authorizations.settleOwnCall, (settlement, caller) =>
    settled(settlement, caller, (row) => row.runId === caller.runId),
  )
  implement(app, authorizations.listAgentLog, async ({ agent_id, cursor, limit }, { projectId }) => {
    const after = createdCursor('agent-log', cursor)
    const rows = await listAuthorizations(ctx.reads, { projectId, agentId: agent_id }, { after, limit: limit + 1 })
    return pageOf(rows, limit, {
      wire: authorizationWire,
      cursor: (row) => encodeCursor('agent-log', createdKey(row)),
    })
  })
}

/** What agents did and spent, from sums kept as they act. */
export function spendRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, authorizations.agentMetrics, async ({ agent_id, period }, { projectId }) => {
    const since = sinceOf(period, ctx.nowMs())
    const name = { projectId, agentId: agent_id }
    const [tools, models] = await Promise.all([
      sumAgent(ctx.reads, name, since),
      sumAgentModels(ctx.reads, name, since),
    ])
    const count = (key: 'allowed' | 'blocked') => tools.reduce((all, one) => all + one[key], 0)
    return {
      agent_id,
      period,
      since: since.toISOString(),
      allowed: count('allowed'),
      blocked: count('blocked'),
      ...totalsWire({ tools: costOfAll(tools), models: costOfAll(models) }),
      models: models.map(costWire),
      tools: tools.map(costWire),
    }
  })
  implement(app, authorizations.agentSpend, async ({ agent_id, from, to }, { projectId }) => {
    const end = dayOf(to === undefined ? ctx.nowMs() + DAY_MS : Date.parse(to))
    const begin = dayOf(from === undefined ? end - 31 * DAY_MS : Date.parse(from))
    if (end - begin > 366 * DAY_MS) throw refuseField('from', 'is more than a year before to')
    const span = { agentId: agent_id, from: new Date(begin), to: new Date(end) }
    const [from_, to_] = [span.from.toISOString(), span.to.toISOString()]
    const page = { agentId: agent_id, from: from_, to: to_, limit: SPEND_ROWS_MAX + 1 }
    const [tools, models, totals] = await Promise.all([
      sumSpend(ctx.reads, projectId, page),
      sumModelSpend(ctx.reads, projectId, page),
      sumLedger(ctx.reads, projectId, span),
    ])
    return {
      data: tools.slice(0, SPEND_ROWS_MAX).map(costWire),
      models: models.slice(0, SPEND_ROWS_MAX).map(costWire),
      totals: totalsWire(totals),
      truncated: tools.length > SPEND_ROWS_MAX || models.length > SPEND_ROWS_MAX,
    }
  })
}

const costOfAll = (sums: readonly { cost: Cost }[]): Cost =>
  sums.reduce((all, { cost }) => addCosts(all, cost), NO_COST)

export const totalsWire = ({ tools, models }: LedgerTotals) => ({
  tools_microusd: shownMicrousd(tools),
  models_microusd: shownMicrousd(models),
  cost_microusd: shownMicrousd(addCosts(tools, models)),
})

const dayOf = (ms: number): number => Math.floor(ms / DAY_MS) * DAY_MS

/** The current hour, the current day, or the last seven days. */
export function sinceOf(period: 'hour' | 'day' | 'week', nowMs: number): Date {
  if (period === 'hour') return new Date(Math.floor(nowMs / HOUR_MS) * HOUR_MS)
  return new Date(dayOf(nowMs) - (period === 'week' ? 6 * DAY_MS : 0))
}
