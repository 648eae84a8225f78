// Settles calls: replaces the reserved amount by the actual cost.
import type { Ctx } from '#bell/ctx.ts'
import { batched, part } from '#bell/part.ts'
import { transact } from '#bell/transact.ts'
import { type Refusal, refuse } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import type { Cost } from '#core/usage/cost.ts'
import { appendIn } from '#log/append-event.ts'
import type { NewEvent } from '#log/new-event.sql.ts'
import type { KnownRows } from '#usage/known-rows.sql.ts'
import { type Charge, chargeSpent, lockSpent, payersOf } from '#usage/ledger.sql.ts'
import { type AuthorizationRow, lockReserved, type Reserved, settleAuthorizations } from './authorizations.sql.ts'
import { costWords, placeOf } from './event-words.ts'
import { lockCallers } from './lock-callers.ts'
import { chargesOf } from './standing.ts'

export type CallSettlement = {
  projectId: string
  authorizationId: string
  actor: Actor
  /** Undefined: the reserved amount. */
  cost?: Cost | undefined
  outcome: 'succeeded' | 'failed'
  /** As for the decision. */
  chain?: string | undefined
  leaseToken?: string | undefined
}

/** Settles a call: its actual cost and outcome. */
export const settleCall = batched<CallSettlement, AuthorizationRow>(
  'The queue of settlements',
  (ctx, calls) => settleCalls(ctx, calls),
  { parallel: 1, keyOf: (call) => call.authorizationId },
)

/** Budgets that have a row. */
const knownBudgets = part((): KnownRows => new Set())

/** Settles up to 500 calls in one transaction, none twice; returns which are refused. */
function settleCalls(ctx: Ctx, all: readonly CallSettlement[]): Promise<(AuthorizationRow | Refusal)[]> {
  return transact<(AuthorizationRow | Refusal)[]>(ctx, async (tx) => {
    const reserved = new Map((await lockReserved(tx, all)).map((it) => [it.id, it]))
    // Budgets before runs, and before the sums of agents: the lock order of everyone.
    await lockSpent(
      tx,
      [...reserved.values()].flatMap((it) => payersOf(it, it.day)),
      knownBudgets(ctx),
    )
    const problems = await lockCallers(
      tx,
      all.map((it) => ({ ...it, runId: reserved.get(it.authorizationId)?.runId ?? undefined })),
    )
    const calls = all.filter((it, index) => reserved.has(it.authorizationId) && !problems[index])
    // Sent together: the locks are held for as long as this takes.
    const [settled] = await Promise.all([
      settleAuthorizations(tx, calls),
      chargeSpent(
        tx,
        calls.flatMap((it) => differencesOf(reserved.get(it.authorizationId)!, it.cost)),
      ),
      appendIn(
        tx,
        calls.map((it) => eventOf(it, reserved.get(it.authorizationId)!)),
      ),
    ])
    const rows = new Map(settled.map((row) => [row.id, row]))
    return all.map(
      ({ authorizationId }, index) =>
        problems[index] ?? rows.get(authorizationId) ?? refuse('authorization_not_reserved', { authorizationId }),
    )
  })
}

/** The reserved amount is returned, and the cost is charged to the day on which it was reserved. */
function differencesOf(reserved: Reserved, cost: Cost | undefined): Charge[] {
  const difference = minus(cost ?? reserved.cost, reserved.cost)
  const isNone = difference.microusd === 0 && difference.picousd === 0
  return isNone ? [] : chargesOf({ ...reserved, cost: difference }, reserved.day)
}

const minus = (one: Cost, other: Cost): Cost => ({
  microusd: one.microusd - other.microusd,
  picousd: one.picousd - other.picousd,
})

const eventOf = (it: CallSettlement, row: Reserved): NewEvent => ({
  projectId: it.projectId,
  type: it.outcome === 'succeeded' ? 'agent.action.completed' : 'agent.action.failed',
  actor: it.actor,
  resourceType: 'agent',
  resourceId: row.agentId,
  agentId: row.agentId,
  tool: row.tool,
  ...placeOf({ runId: row.runId, chain: it.chain }),
  data: { authorization_id: row.id, ...costWords(it.cost ?? row.cost) },
})
