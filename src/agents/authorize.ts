// May an agent make this call? Decisions about the calls of one agent are made one after the other under the lock of its
// row, many to a transaction: calls at the same time never get more than the policy allows.

import type { Ctx } from '#bell/ctx.ts'
import { batched, part } from '#bell/part.ts'
import { transact } from '#bell/transact.ts'
import { type Refusal, refuseField } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import type { Json } from '#core/json/json.ts'
import {
  costOf,
  isObserved,
  judge,
  type Policy,
  type PolicyReason,
  type RiskLevel,
  riskOf,
  wholePolicy,
} from '#core/policy.ts'
import type { Cost } from '#core/usage/cost.ts'
import { appendIn } from '#log/append-event.ts'
import type { NewEvent } from '#log/new-event.sql.ts'
import { feedOf } from '#log/recent-feed.ts'
import { newId } from '#postgres/id.ts'
import type { Db } from '#postgres/sql.ts'
import { chargeSpent, type Moment } from '#usage/ledger.sql.ts'
import { type AgentRow, lockDeciders } from './agents.sql.ts'
import { type Approval, approvalOf } from './approval-request.ts'
import { type AskedCall, readKeyedCalls } from './asked-calls.sql.ts'
import { type AuthorizationState, insertAuthorizations, type NewAuthorization } from './authorizations.sql.ts'
import { costWords, placeOf } from './event-words.ts'
import { insertInputRequests, type NewInputRequest } from './input-requests.sql.ts'
import { lockCallers } from './lock-callers.ts'
import { policyHash } from './policy-hash.ts'
import { lockStandings, type Standings } from './standing.ts'

export type CallRequest = {
  projectId: string
  agentId: string
  tool: string
  /** Undefined: what the policy says that it costs. */
  cost?: Cost | undefined
  argsHash?: string | undefined
  /** Internal id of the run that makes the call. */
  runId?: string | undefined
  /** The lease of that run, when its attempt makes the call by itself: it must be held when the decision is made. */
  leaseToken?: string | undefined
  /**
   * Correlation id of that run, when its log tells of the call in words of its own: the decision then stands beside the
   * log, in the same chain.
   */
  chain?: string | undefined
  actor: Actor
  /** What a person is shown who has to approve it. */
  args?: unknown
  /** The name that the run gives the call: the same name again means the same decision. */
  key?: string | undefined
  approval?: Approval | undefined
}

export type Decision = {
  authorizationId: string
  decision: 'allowed' | 'blocked' | 'asked'
  reason: PolicyReason
  riskLevel: RiskLevel
  /** What would have blocked it, if its policy were not only observed. */
  observed: PolicyReason | null
  policyVersion: number
  cost: Cost
  /** The request that a person has to answer first. */
  inputRequestId: string | null
  state: AuthorizationState
  /** The arguments as their approver left them; null where they could not be changed. */
  params: Json | null
}

/** Decides about one call, and reserves what it costs. */
export const authorizeCall = batched<CallRequest, Decision>(
  'The queue of authorizations',
  async (ctx, calls) => {
    const decided = await decideCalls(ctx, calls)
    const isBlocked = (it: Decision | Refusal): boolean => 'decision' in it && it.decision === 'blocked'
    const blocked = calls.filter((_, index) => isBlocked(decided[index]!))
    if (blocked.length > 0) feedOf(ctx).changed(new Set(blocked.map((it) => it.projectId)))
    return decided
  },
  { parallel: 1 }, // Two would mostly wait for the lock of the same agent.
)

/** Rows that are there, of agents and of their budgets. */
const knownOf = part(() => ({ agents: new Set<string>(), budgets: new Set<string>() }))

/** Decides about up to 500 calls in one transaction, in their order; a call of an attempt that lost its run is refused. */
async function decideCalls(ctx: Ctx, all: readonly CallRequest[]): Promise<(Decision | Refusal)[]> {
  const rows = knownOf(ctx)
  return transact<(Decision | Refusal)[]>(ctx, async (tx) => {
    const deciding = await lockDeciders(tx, all, rows.agents)
    const { agents, moment } = deciding
    // Only now: what others decided is committed, and is seen by a statement that begins after the lock.
    const standings = await lockStandings(tx, { calls: all, ...deciding }, rows.budgets)
    const problems = await lockCallers(tx, all)
    const known = await decidedBefore(tx, all)
    const book = makeBook(agents, moment, standings)
    const answers = all.map((call, index) => problems[index] ?? known.of(call) ?? known.add(call, book.decide(call)))
    const made = answers.filter((it): it is Made => 'row' in it)
    const decided = answers.map((it) => ('row' in it ? it.decision : it))
    if (made.length === 0) return decided
    const asked = made.flatMap((it) => it.asked ?? [])
    // Sent together: the lock of the agents is held for as long as this takes.
    await Promise.all([
      insertAuthorizations(
        tx,
        made.map((it) => it.row),
      ),
      chargeSpent(tx, standings.charges()),
      asked.length > 0 && insertInputRequests(tx, asked),
      appendIn(
        tx,
        made.flatMap((it) => it.events),
      ),
    ])
    if (asked.length > 0) tx.rings.add('inputs')
    return decided
  })
}

type Made = { decision: Decision; row: NewAuthorization; events: NewEvent[]; asked?: NewInputRequest }
const nameOf = (it: { projectId: string; agentId: string }): string => `${it.projectId}\0${it.agentId}`

/** The sums of the agents of a batch, which each decision adds to. */
function makeBook(agents: readonly AgentRow[], moment: Moment, standings: Standings) {
  const byName = new Map(
    agents.map((agent) => {
      const name = nameOf({ projectId: agent.projectId, agentId: agent.id })
      return [name, { agent, policy: wholePolicy(agent.policy) }]
    }),
  )
  return {
    decide(call: CallRequest): Made {
      const { agent, policy } = byName.get(nameOf(call))!
      const cost = costOf(policy, call.tool, call.cost)
      const judged = judge(policy, standings.of(agent, call), { tool: call.tool, cost })
      const made = makeDecision(call, { agent, judged, cost, moment })
      if (made.row.state === 'reserved') standings.add(call, cost)
      return made
    },
  }
}

/**
 * Decisions about calls that their runs gave a name: a run asks on behalf of one agent, whose lock is held, so that
 * nobody decides about one of them meanwhile.
 */
async function decidedBefore(tx: Db, calls: readonly CallRequest[]) {
  const keyed = calls.flatMap(({ runId, key }) => (runId !== undefined && key !== undefined ? { runId, key } : []))
  const nameOfCall = (it: { runId?: string | null | undefined; key?: string | null | undefined }) =>
    `${it.runId}\0${it.key}`
  const decided = new Map(
    (await readKeyedCalls(tx, keyed)).map((row) => [
      nameOfCall(row),
      { decision: decisionOf(row), tool: row.tool, argsHash: row.argsHash },
    ]),
  )
  return {
    of(call: CallRequest): Decision | Refusal | undefined {
      const known = call.key === undefined ? undefined : decided.get(nameOfCall(call))
      if (!known) return undefined
      // What was approved is this call, and no other one.
      if (known.tool !== call.tool) return refuseField('key', `is that of a call of ${known.tool}`)
      if (known.argsHash !== (call.argsHash ?? null)) return refuseField('key', 'is that of a call with other args')
      return known.decision
    },
    add(call: CallRequest, made: Made): Made {
      if (call.key !== undefined)
        decided.set(nameOfCall(call), { decision: made.decision, tool: call.tool, argsHash: call.argsHash ?? null })
      return made
    },
  }
}

const DECIDED = {
  reserved: 'allowed',
  settled: 'allowed',
  blocked: 'blocked',
  denied: 'blocked',
  asked: 'asked',
} as const satisfies Record<AuthorizationState, Decision['decision']>

/** What was decided about a call, as it stands now. */
export const decisionOf = (row: AskedCall): Decision => ({
  authorizationId: row.id,
  decision: DECIDED[row.state],
  reason: row.reason,
  riskLevel: row.riskLevel,
  observed: row.observed,
  policyVersion: row.policyVersion,
  cost: row.cost,
  inputRequestId: row.inputRequestId,
  state: row.state,
  params: row.params,
})

type Judged = { agent: AgentRow; judged: PolicyReason; cost: Cost; moment: Moment }

function makeDecision(call: CallRequest, { agent, judged, cost, moment }: Judged): Made {
  const observing = isObserved(agent.policyMode, judged)
  const reason = observing ? 'ok' : judged
  const decision = reason === 'ok' ? 'allowed' : reason === 'approval_required' ? 'asked' : 'blocked'
  const id = newId()
  const eventId = newId()
  const inputRequestId = decision === 'asked' ? newId() : null
  const about = {
    reason,
    riskLevel: riskOf(reason),
    observed: observing ? judged : null,
    policyVersion: agent.policyVersion,
    cost,
  }
  const row: NewAuthorization = {
    ...about,
    id,
    projectId: call.projectId,
    agentId: call.agentId,
    tool: call.tool,
    runId: call.runId ?? null,
    key: call.key ?? null,
    state: decision === 'allowed' ? 'reserved' : decision,
    argsHash: call.argsHash ?? null,
    hour: moment.hour,
    createdAt: moment.now,
  }
  return {
    decision: { ...about, authorizationId: id, decision, inputRequestId, state: row.state, params: null },
    row,
    events: [{ ...eventOf(call, row, { inputRequestId, policy: agent.policy }), id: eventId }],
    ...(inputRequestId && { asked: { ...approvalOf(call, row, inputRequestId), eventId } }),
  }
}

const EVENT_OF = { reserved: 'policy.allowed', blocked: 'policy.blocked', asked: 'policy.approval_required' } as const

type About = { inputRequestId: string | null; policy: Policy | null }

function eventOf(call: CallRequest, row: NewAuthorization, { inputRequestId, policy }: About): NewEvent {
  const { id, state, tool, reason, riskLevel, observed, policyVersion, argsHash, cost } = row
  return {
    projectId: call.projectId,
    type: observed ? 'policy.observed' : EVENT_OF[state as keyof typeof EVENT_OF],
    actor: call.actor,
    resourceType: 'agent',
    resourceId: call.agentId,
    agentId: call.agentId,
    tool,
    ...placeOf(call),
    ...(state === 'blocked' && { level: 'warn' }),
    data: {
      authorization_id: id,
      reason: observed ?? reason,
      risk_level: riskLevel,
      policy_version: policyVersion,
      ...costWords(cost),
      ...(state === 'blocked' && { policy_hash: policyHash(policy) }),
      ...(argsHash && { args_hash: argsHash }),
      ...(inputRequestId && { input_request_id: inputRequestId }),
    },
  }
}
