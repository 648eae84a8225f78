// Dry run of a policy on the past of an agent: its calls are decided again, in order, with the sums that they would
// have had if the policy had been in force.

import type { Ctx } from '#bell/ctx.ts'
import { DAY_MS, HOUR_MS } from '#core/durations.ts'
import { costOf, judge, NO_SPEND, type Policy, type PolicyReason } from '#core/policy.ts'
import { addCosts, type Cost, NO_COST } from '#core/usage/cost.ts'
import { readModelCosts, readModelHours } from '#usage/usage.sql.ts'
import { type AuthorizationRow, listAuthorizations } from './authorizations.sql.ts'

const CALLS_MAX = 10_000
const SAMPLES_MAX = 20

export type Trial = {
  calls: number
  truncated: boolean
  allowed: number
  stopped: { reason: PolicyReason; calls: number }[]
  newlyStopped: number
  newlyAllowed: number
  samples: { at: Date; tool: string; was: PolicyReason; wouldBe: PolicyReason }[]
}

export async function tryPolicy(
  ctx: Pick<Ctx, 'reads'>,
  it: { projectId: string; agentId: string; policy: Policy; days: number; nowMs: number },
): Promise<Trial> {
  const from = new Date(it.nowMs - it.days * DAY_MS).toISOString()
  const rows = await listAuthorizations(ctx.reads, it, { limit: CALLS_MAX + 1, from })
  const calls = rows
    .slice(0, CALLS_MAX)
    .reverse()
    // That the agent was disabled says nothing about the policy.
    .filter((call) => call.reason !== 'agent_disabled')
  const booked = await readBooked(ctx, it, { calls, from })
  const judged = judgeAll(it.policy, calls, booked)
  const stopped = new Map<PolicyReason, number>()
  for (const reason of judged) if (reason !== 'ok') stopped.set(reason, (stopped.get(reason) ?? 0) + 1)
  const other = calls.flatMap((call, index) => {
    const wouldBe = judged[index]!
    return (wouldBe === 'ok') === wasAllowed(call)
      ? []
      : [{ at: call.createdAt, tool: call.tool, was: call.reason, wouldBe }]
  })
  return {
    calls: calls.length,
    truncated: rows.length > CALLS_MAX,
    allowed: judged.filter((reason) => reason === 'ok').length,
    stopped: [...stopped].map(([reason, calls]) => ({ reason, calls })).sort((a, b) => b.calls - a.calls),
    newlyStopped: other.filter((it) => it.wouldBe !== 'ok').length,
    newlyAllowed: other.filter((it) => it.wouldBe === 'ok').length,
    samples: other.slice(-SAMPLES_MAX).reverse(),
  }
}

const wasAllowed = ({ state }: AuthorizationRow): boolean => state === 'reserved' || state === 'settled'

/** Model costs in the meantime: of the agent, or of one run. In time order. */
type Booked = { atMs: number; cost: Cost; runId?: string }

/** For an agent by hour: counted from the end of the hour. For runs, if the policy has a limit for them, by call. */
async function readBooked(
  ctx: Pick<Ctx, 'reads'>,
  { projectId, agentId, policy }: { projectId: string; agentId: string; policy: Policy },
  { calls, from }: { calls: readonly AuthorizationRow[]; from: string },
): Promise<Booked[]> {
  const runIds = policy.maxSpendMicrousdPerRun == null ? [] : calls.flatMap(({ runId }) => runId ?? [])
  const [hours, ofRuns] = await Promise.all([
    readModelHours(ctx.reads, { projectId, agentId, from }),
    readModelCosts(ctx.reads, [...new Set(runIds)], CALLS_MAX),
  ])
  return [
    ...hours.map(({ hour, cost }) => ({ atMs: hour.getTime() + HOUR_MS - 1, cost })),
    ...ofRuns.map(({ runId, createdAt, cost }) => ({ atMs: createdAt.getTime(), cost, runId })),
  ].sort((one, other) => one.atMs - other.atMs)
}

function judgeAll(policy: Policy, calls: readonly AuthorizationRow[], booked: readonly Booked[]): PolicyReason[] {
  let [hour, day, at] = [0, 0, 0]
  let [actions, agent] = [0, NO_COST]
  let ofTool = new Map<string, number>()
  const ofRun = new Map<string, Cost>()
  const addToRun = (runId: string, cost: Cost) => ofRun.set(runId, addCosts(ofRun.get(runId) ?? NO_COST, cost))
  const comeTo = (atMs: number) => {
    if (Math.floor(atMs / HOUR_MS) !== hour) [hour, actions] = [Math.floor(atMs / HOUR_MS), 0]
    if (Math.floor(atMs / DAY_MS) !== day) [day, agent, ofTool] = [Math.floor(atMs / DAY_MS), NO_COST, new Map()]
  }
  return calls.map(({ createdAt, tool, runId, cost: kept }) => {
    for (; at < booked.length && booked[at]!.atMs < createdAt.getTime(); at++) {
      const { atMs, cost, runId: run } = booked[at]!
      comeTo(atMs)
      if (run === undefined) agent = addCosts(agent, cost)
      else addToRun(run, cost)
    }
    comeTo(createdAt.getTime())
    const cost = Object.hasOwn(policy.pricesMicrousd, tool) ? costOf(policy, tool, undefined) : kept
    const run = runId === null ? null : (ofRun.get(runId) ?? NO_COST)
    const callsOfToolToday = ofTool.get(tool) ?? 0
    const spend = { ...NO_SPEND, agent, run }
    const reason = judge(policy, { enabled: true, actionsThisHour: actions, callsOfToolToday, spend }, { tool, cost })
    if (reason === 'ok') {
      actions++
      agent = addCosts(agent, cost)
      if (runId !== null) addToRun(runId, cost)
      ofTool.set(tool, callsOfToolToday + 1)
    }
    return reason
  })
}
