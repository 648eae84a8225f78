// Agents: disabled and enabled (kill switch), and given policies. A disabled agent is refused everywhere immediately:
// its calls are blocked, its queued runs are held, its executing runs are paused.

import type { Ctx } from '#bell/ctx.ts'
import { queueTopic, type Topic } from '#bell/topics.ts'
import { refuse } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import type { Policy, PolicyMode } from '#core/policy.ts'
import { record } from '#log/record.ts'
import type { Db } from '#postgres/sql.ts'
import { moveRun } from '#run-state/move/move-run.ts'
import { holdRuns, readRunsToStop, releaseRuns } from './agent-switch.sql.ts'
import { type AgentRow, findAgent, insertPolicy, lockAgents, type PolicyRow, setSwitch } from './agents.sql.ts'

type Asked = Cause & { projectId: string; agentId: string }

/** Runs held, or stopped, per step. */
export const STEP_MAX = 500

/** An agent that has not been seen yet is enabled, and has no policy. */
export async function requireAgent(ctx: Pick<Ctx, 'sql'>, projectId: string, agentId: string): Promise<AgentRow> {
  const agent = await findAgent(ctx.sql, projectId, agentId)
  if (!agent) throw refuse('agent_not_found', { agentId })
  return agent
}

/** Disables an agent. Its next call is blocked on every node, and its runs in progress are stopped immediately. */
export async function disableAgent(ctx: Ctx, asked: Asked & { reason: string | null }): Promise<AgentRow> {
  await change(ctx, asked, async (tx, agent) => {
    if (!agent.enabled && agent.disabledReason === asked.reason) return undefined
    await setSwitch(tx, asked, { reason: asked.reason })
    return { type: 'agent.disabled', data: { reason: asked.reason } }
  })
  await enforceSwitches(ctx)
  return requireAgent(ctx, asked.projectId, asked.agentId)
}

/** Enables an agent again, and releases its held runs. Paused runs must be resumed by hand. */
export async function enableAgent(ctx: Ctx, asked: Asked & { reason?: string | null }): Promise<AgentRow> {
  await change(ctx, asked, async (tx, agent) => {
    if (agent.enabled) return undefined
    await setSwitch(tx, asked, undefined)
    const queues = await releaseRuns(tx, asked)
    return {
      type: 'agent.enabled',
      data: { reason: asked.reason ?? null },
      rings: queues.map((queue) => queueTopic(queue)),
    }
  })
  return requireAgent(ctx, asked.projectId, asked.agentId)
}

type NewPolicy = Asked & {
  mode: PolicyMode
  /** Computed from the previous policy, which is locked meanwhile. */
  policy: (before: Policy | null) => Policy
}

/** Sets the policy of an agent, as a new version. */
export async function setPolicy(ctx: Ctx, { mode, policy: policyOf, ...asked }: NewPolicy): Promise<PolicyRow> {
  let row: PolicyRow | undefined
  await change(ctx, asked, async (tx, agent) => {
    const policy = policyOf(agent.policy)
    row = await insertPolicy(tx, asked, { mode, policy, createdBy: asked.actor.id })
    return { type: 'policy.set', data: { version: row.version, mode, policy } }
  })
  return row!
}

async function change(
  ctx: Ctx,
  asked: Asked,
  write: (tx: Db, agent: AgentRow) => Promise<{ type: string; data: object; rings?: Topic[] } | undefined>,
): Promise<void> {
  const { projectId, agentId, actor, correlationId, causationId } = asked
  const about = { projectId, actor, correlationId, causationId, agentId, resourceType: 'agent', resourceId: agentId }
  await record(ctx, async (tx) => {
    const [agent] = await lockAgents(tx, [{ projectId, agentId }])
    const done = await write(tx, agent!)
    if (!done) return { result: undefined, events: [] }
    const { rings = [], ...fact } = done
    return { result: undefined, events: [{ ...about, ...fact }], rings: ['switches', ...rings] }
  })
}

/**
 * Holds and stops the runs of disabled agents. Done when an agent is disabled, and again by a duty: a run
 * may have been queued or claimed by a statement that began before the switch.
 */
export async function enforceSwitches(ctx: Ctx): Promise<void> {
  while ((await holdRuns(ctx.sql, STEP_MAX)) === STEP_MAX);
  for (;;) {
    const runs = await readRunsToStop(ctx.sql, STEP_MAX)
    const changed = await Promise.all(
      runs.map(({ runId, state }) =>
        moveRun(ctx, {
          runId,
          // Runs that have not started return to the queue, where they are held.
          move: state === 'dequeued' ? 'giveBack' : 'pause',
          actor: { type: 'system', id: null },
          message: 'its agent is disabled',
          dueInMs: 0,
        }),
      ),
    )
    // Those that went back to the queue are held there.
    if (runs.length > 0) ctx.ring(['switches'])
    if (runs.length < STEP_MAX || changed.every((it) => it.outcome !== 'moved')) break
  }
}
