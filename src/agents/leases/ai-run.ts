// Executes actions under a lease: one after the other, each a governed call. The outcome of each is
// stored before the next begins, so after a crash none that had ended is repeated.

import type { Ctx } from '#bell/ctx.ts'
import { transact } from '#bell/transact.ts'
import { type Actor, SYSTEM } from '#core/event.ts'
import { printJson } from '#core/json/json.ts'
import { costOfMicrousd } from '#core/usage/cost.ts'
import { isUnstorable } from '#postgres/group-commit.ts'
import { callTool } from '../tools/call-tool.ts'
import { asAnswer, previewCall } from '../tools/foresee-call.ts'
import { type CallAnswer, failed, type ToolCall } from '../tools/governed-call.ts'
import { appendTimelineEvents } from '../tools/tell-run.ts'
import { type ActionDone, type Agenda, type AgendaItem, saveActionDone } from './ai-agendas.sql.ts'
import { type LeaseEnd, type LeaseRow, lockLease } from './ai-leases.sql.ts'
import { followEnd, isRunCanceled, writeEnd } from './ai-leases.ts'

/** `stop`: start no other action; `cut`: end the one in progress, too. */
type Executing = { stop: AbortSignal; cut: AbortSignal; lease: Pick<LeaseRow, 'runId' | 'runRef' | 'endsRun'> }

/** Executes the rest of an agenda, until it ends or must be left to others. */
export async function executeAgenda(ctx: Ctx, agenda: Agenda, { stop, cut: signal, lease }: Executing): Promise<void> {
  let done = agenda.done
  const actor: Actor = { type: 'agent', id: agenda.agentId }
  for (;;) {
    const index = done.length
    const action = agenda.actions[index]
    if (!action || done.some((it) => !it.ok)) {
      await finish(ctx, { agenda, actor, done })
      return
    }
    if (await isRunCanceled(ctx, lease)) {
      await finish(ctx, { agenda, actor: SYSTEM, done, canceled: true })
      return
    }
    if (stop.aborted || signal.aborted) return
    const call: ToolCall = {
      projectId: agenda.projectId,
      agentId: agenda.agentId,
      tool: action.tool,
      args: action.args,
      actor,
      runRef: lease.runRef,
      signal,
      ...(action.spendMicrousd !== undefined && { cost: costOfMicrousd(action.spendMicrousd) }),
      step: `step_${index + 1}`,
      key: `${agenda.leaseId}/${index}`,
      resumes: true,
    }
    const next = await act(ctx, { agenda, action, call })
    if (!next) return
    done = [...done, next]
  }
}

type Acting = { agenda: Agenda; action: AgendaItem; call: ToolCall }

/** Makes one call and stores its outcome; undefined when others must continue. */
async function act(ctx: Ctx, { agenda, action, call }: Acting): Promise<ActionDone | undefined> {
  const keep = async (answer: CallAnswer) => {
    const done = shown(action, answer)
    return (await saveDone(ctx, agenda, done)) ? done : undefined
  }
  try {
    const answer = agenda.dryRun ? await tryCall(ctx, call) : await callTool(ctx, call).catch(asAnswer)
    return answer.aborted ? undefined : await keep(answer)
  } catch (error) {
    // The call is made and charged. A retry would do both again, and end the same way.
    if (!isUnstorable(error)) throw error
    ctx.log.error({ err: error, key: agenda.key }, 'the result of a call cannot be stored; the call counts as failed')
    return await keep(failed('what it answered cannot be stored'))
  }
}

/** False when the agenda belongs to someone else, or its lease has ended: do not continue. */
const saveDone = (ctx: Ctx, agenda: Agenda, done: ActionDone): Promise<boolean> =>
  transact(ctx, (tx) => saveActionDone(tx, agenda, done))

/** The results of fifty actions are one response, whose size must stay reasonable. */
const SHOWN_BYTES_MAX = 64 * 1024

function shown({ tool }: AgendaItem, answer: CallAnswer): ActionDone {
  const { ok, allowed, decision, reason, riskLevel } = answer
  const bytes = Buffer.byteLength(printJson(answer.result))
  const result = bytes > SHOWN_BYTES_MAX ? { left_out: `${bytes} bytes` } : answer.result
  return { tool, ok, allowed, decision, policy_reason: reason, risk_level: riskLevel, result }
}

/** A dry run of a call: decided as if it were made, but neither made nor counted. */
async function tryCall(ctx: Ctx, call: ToolCall): Promise<CallAnswer> {
  const answer = await previewCall(ctx, call)
  const { ok, decision, reason } = answer
  const data = { decision, policy_reason: reason, dry_run: true }
  await appendTimelineEvents(ctx, call, [
    { type: 'agent_step', status: 'start' },
    { type: 'tool_result', status: ok ? 'ok' : 'blocked', data },
  ])
  return answer
}

type Finished = { agenda: Agenda; actor: Actor; done: readonly ActionDone[]; canceled?: boolean }

/** All actions succeeded, or one did not: later ones would build on nothing. */
async function finish(ctx: Ctx, { agenda, actor, done, canceled }: Finished): Promise<void> {
  const bad = done.find((it) => !it.ok)
  const result = { actions: done, ...(agenda.dryRun && { dry_run: true }) }
  const end: LeaseEnd = canceled
    ? { state: 'cancelled', result }
    : bad
      ? { state: 'failed', result, errorCode: bad.policy_reason }
      : { state: 'completed', result }
  const ended = await transact(ctx, async (tx) => {
    const lease = await lockLease(tx, agenda)
    return lease?.leaseId === agenda.leaseId && lease.state === 'held' ? writeEnd(tx, lease, { actor, end }) : undefined
  })
  if (ended) await followEnd(ctx, ended)
}
