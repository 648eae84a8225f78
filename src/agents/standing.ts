// The standing of agents: what they have done that their policies count, and the spend of the budgets they are charged
// to.
import { addCosts, type Cost, NO_COST } from '#core/cost.ts'
import type { Standing } from '#core/policy.ts'
import type { Db, Sql } from '#postgres/sql.ts'
import {
  type Charge,
  lockSpent,
  type Moment,
  payerKey,
  payersOf,
  readProjectBudgets,
  readSpent,
} from '#usage/ledger.sql.ts'
import { spendOf } from '#usage/spend.ts'
import type { AgentRow } from './agents.sql.ts'
import { type DayCalls, readCalls } from './authorizations.sql.ts'

type Call = { projectId: string; agentId: string; tool: string; runId?: string | null | undefined }

/** Sums of a day, which are updated while many calls are decided. */
export type Standings = {
  /** An agent that has not been seen yet is enabled. */
  of: (agent: AgentRow | undefined, call: Call) => Standing
  add: (call: Call, cost: Cost) => void
}

/** For decisions: nobody else can charge these budgets until the transaction ends. The agents are locked. */
export const lockStandings = (tx: Db, calls: readonly Call[], moment: Moment): Promise<Standings> =>
  standingsOf(tx, calls, moment, lockSpent)

/** For reading only. */
export const readStandings = (sql: Sql, calls: readonly Call[], moment: Moment): Promise<Standings> =>
  standingsOf(sql, calls, moment, readSpent)

async function standingsOf(
  sql: Db,
  calls: readonly Call[],
  { day, hour }: Moment,
  read: typeof readSpent,
): Promise<Standings> {
  const agents = [...new Map(calls.map((call) => [agentKey(call), call])).values()]
  const [spent, counts, budgets] = await Promise.all([
    read(
      sql,
      calls.flatMap((call) => payersOf(call, day)),
    ),
    readCalls(sql, agents, day),
    readProjectBudgets(
      sql,
      calls.map((it) => it.projectId),
    ),
  ])
  const { ofTool, ofHour } = countedBy(counts, hour)
  const bump = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1)
  return {
    of: (agent, call) => ({
      enabled: agent?.enabled ?? true,
      actionsThisHour: ofHour.get(agentKey(call)) ?? 0,
      callsOfToolToday: ofTool.get(toolKey(call)) ?? 0,
      spend: spendOf(call, { spent, budgets, day }),
    }),
    add(call, cost) {
      bump(ofHour, agentKey(call))
      bump(ofTool, toolKey(call))
      for (const payer of payersOf(call, day).map(payerKey))
        spent.set(payer, addCosts(spent.get(payer) ?? NO_COST, cost))
    },
  }
}

function countedBy(counts: readonly DayCalls[], hour: Date) {
  const ofTool = new Map<string, number>()
  const ofHour = new Map<string, number>()
  for (const sum of counts) {
    ofTool.set(toolKey(sum), (ofTool.get(toolKey(sum)) ?? 0) + sum.allowed)
    if (sum.hour.getTime() !== hour.getTime()) continue
    ofHour.set(agentKey(sum), (ofHour.get(agentKey(sum)) ?? 0) + sum.allowed)
  }
  return { ofTool, ofHour }
}

const agentKey = ({ projectId, agentId }: Omit<Call, 'tool'>): string => JSON.stringify([projectId, agentId])
const toolKey = ({ projectId, agentId, tool }: Call): string => JSON.stringify([projectId, agentId, tool])

/** The budgets that a tool call is charged to. */
export const chargesOf = (call: Call & { cost: Cost }, day: string): Charge[] =>
  payersOf(call, day).map((payer) => ({ ...payer, tools: call.cost }))
