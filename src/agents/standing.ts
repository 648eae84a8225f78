// The standing of agents: what they have done that their policies count, and the spend of the budgets they are charged
// to.

import { type Standing, wholePolicy } from '#core/policy.ts'
import { addCosts, type Cost, NO_COST } from '#core/usage/cost.ts'
import type { Db, Sql } from '#postgres/sql.ts'
import type { KnownRows } from '#usage/known-rows.sql.ts'
import {
  type Charge,
  lockSpent,
  type Moment,
  type Payer,
  payerKey,
  payersOf,
  readProjectBudgets,
  readSpent,
} from '#usage/ledger.sql.ts'
import { spendOf } from '#usage/spend.ts'
import type { AgentRow } from './agents.sql.ts'
import { readCalls } from './call-sums.sql.ts'

type Call = { projectId: string; agentId: string; tool: string; runId?: string | null | undefined }

/** Sums of a day, which are updated while many calls are decided. */
export type Standings = {
  /** An agent that has not been seen yet is enabled. */
  of: (agent: AgentRow | undefined, call: Call) => Standing
  add: (call: Call, cost: Cost) => void
  /** What was added, one charge for each budget. */
  charges: () => Charge[]
}

/** The calls, the agents whose policies say what has to be read, and the budgets, where they are known already. */
type Asked = {
  calls: readonly Call[]
  agents: readonly AgentRow[]
  moment: Moment
  budgets?: ReadonlyMap<string, number>
}

/**
 * For who decides: nobody else charges anything to their budgets until the transaction ends. The agents are locked.
 * `known`: budgets that have a row.
 */
export const lockStandings = (tx: Db, asked: Asked, known?: KnownRows): Promise<Standings> =>
  standingsOf(tx, asked, (sql, payers) => lockSpent(sql, payers, known))

/** For who only looks. */
export const readStandings = (sql: Sql, asked: Asked): Promise<Standings> => standingsOf(sql, asked, readSpent)

async function standingsOf(
  sql: Db,
  { calls, agents, moment, ...it }: Asked,
  read: typeof readSpent,
): Promise<Standings> {
  const { day } = moment
  const payers = new Map(calls.flatMap((call) => payersOf(call, day).map((payer) => [payerKey(payer), payer])))
  const projects = calls.map(({ projectId }) => projectId)
  const [spent, counts, budgets] = await Promise.all([
    read(sql, [...payers.values()]),
    readCalls(sql, agents.filter(countsCalls), moment),
    it.budgets ?? readProjectBudgets(sql, projects),
  ])
  const ofTool = new Map(counts.map((it) => [toolKey(it), it.today]))
  const ofHour = new Map<string, number>()
  for (const it of counts) bump(ofHour, agentKey(it), it.thisHour)
  const charged = new Map<string, Payer & { tools: Cost }>()
  return {
    of: (agent, call) => ({
      enabled: agent?.enabled ?? true,
      actionsThisHour: ofHour.get(agentKey(call)) ?? 0,
      callsOfToolToday: ofTool.get(toolKey(call)) ?? 0,
      spend: spendOf(call, { spent, budgets, day }),
    }),
    add(call, cost) {
      bump(ofHour, agentKey(call), 1)
      bump(ofTool, toolKey(call), 1)
      for (const payer of payersOf(call, day)) {
        const key = payerKey(payer)
        spent.set(key, addCosts(spent.get(key) ?? NO_COST, cost))
        charged.set(key, { ...payer, tools: addCosts(charged.get(key)?.tools ?? NO_COST, cost) })
      }
    },
    charges: () => [...charged.values()],
  }
}

/** Whose policy bounds calls by their number; of all others nobody asks how many there were. */
const countsCalls = ({ policy }: AgentRow): boolean => {
  const { maxActionsPerHour, maxCallsPerToolPerDay } = wholePolicy(policy)
  return maxActionsPerHour != null || Object.keys(maxCallsPerToolPerDay).length > 0
}

const bump = (map: Map<string, number>, key: string, by: number) => map.set(key, (map.get(key) ?? 0) + by)

// No id holds a NUL, which PostgreSQL would not store.
const agentKey = ({ projectId, agentId }: Omit<Call, 'tool'>): string => `${projectId}\0${agentId}`
const toolKey = ({ projectId, agentId, tool }: Call): string => `${projectId}\0${agentId}\0${tool}`

/** The budgets that a tool call is charged to. */
export const chargesOf = (call: Call & { cost: Cost }, day: string): Charge[] =>
  payersOf(call, day).map((payer) => ({ ...payer, tools: call.cost }))
