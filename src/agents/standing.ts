// How an agent stands: what it has done that its policy counts.
import type { Standing } from '#core/policy.ts'
import type { AgentRow } from './agents.sql.ts'
import type { Today } from './authorizations.sql.ts'

/** From the sums of this agent alone. An agent that nobody has heard of is on. */
export function standingOf(agent: AgentRow | undefined, { sums, hour }: Today, tool: string): Standing {
  return {
    enabled: agent?.enabled ?? true,
    actionsThisHour: total(sums.filter((it) => it.hour.getTime() === hour.getTime()).map((it) => it.allowed)),
    callsOfToolToday: total(sums.filter((it) => it.tool === tool).map((it) => it.allowed)),
    spendTodayMicrousd: total(sums.map((it) => it.costMicrousd)),
  }
}

const total = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0)
