// Questions to people, and their answers. A run that asks may be suspended until nothing is pending; the answers are
// then in its state, and it continues from its latest checkpoint.

import type { Ctx } from '#bell/ctx.ts'
import { type Tx, transact } from '#bell/transact.ts'
import { refuse, refuseField } from '#core/error.ts'
import { type Actor, type Cause, SYSTEM } from '#core/event.ts'
import { Json } from '#core/json/json.ts'
import { isOver } from '#core/run.ts'
import { appendIn } from '#log/append-event.ts'
import { feedOf } from '#log/recent-feed.ts'
import { newId } from '#postgres/id.ts'
import type { Db } from '#postgres/sql.ts'
import { moveProblem } from '#run-state/move/move-outcome.ts'
import { moveRunsIn } from '#run-state/move/move-run.ts'
import { newWait } from '#run-state/move/wait-parts.sql.ts'
import { type RunRow, readRuns } from '#run-state/read/read-runs.sql.ts'
import type { Attempt } from '#runs/attempts/attempt-calls.ts'
import { putValue } from '#runs/attempts/attempt-writes.sql.ts'
import { lockStandings } from '#runs/attempts/fence.sql.ts'
import { fenceProblem } from '#runs/attempts/fence.ts'
import { cancelDescendants } from '#runs/control/cancel-runs.ts'
import { findWait } from '#runs/waits/waits.sql.ts'
import { refuseWhilePausing, wake } from '#runs/waits/waits.ts'
import { checkAnswer, checkQuestion, type Question } from './check-question.ts'
import { decideApproval, lockForApproval, placeOfAsked } from './decide-approval.ts'
import {
  countPending,
  endInputRequest,
  findInputRequest,
  findKeyedRequest,
  type InputAnswer,
  type InputEnd,
  type InputKind,
  type InputRow,
  insertInputRequests,
  lockInputRequest,
} from './input-requests.sql.ts'

/** Maximum number of pending requests per run. */
export const PENDING_MAX = 100

/** The state key under which a run finds an answer. */
export const inputKey = (requestId: string): string => `input:${requestId}`

/**
 * Asks on behalf of a running attempt; with `wait` the run is suspended until all its questions are answered. A key that
 * the run has used before means the question that it has asked, which may be answered by now.
 */
export async function askForInput(
  ctx: Ctx,
  it: Attempt,
  { wait, ...question }: Question & { wait: boolean },
): Promise<{ row: InputRow; replayed: boolean }> {
  await checkQuestion(it.projectId, question)
  const { key } = question
  const asked = await transact(ctx, async (tx) => {
    const known = key === null ? undefined : await findAsked(tx, it, { key, kind: question.kind })
    const id = known?.id ?? (await ask(tx, it, question))
    const isOpen = !known || known.state === 'pending'
    if (wait && isOpen) await restForInput(tx, it)
    return { id, replayed: known !== undefined }
  })
  return { row: (await findInputRequest(ctx.sql, it.projectId, asked.id))!, replayed: asked.replayed }
}

/** Locks the run: whoever answers comes before or after. */
async function findAsked(
  tx: Db,
  it: Attempt,
  { key, kind }: { key: string; kind: InputKind },
): Promise<InputRow | undefined> {
  const [now] = await lockStandings(tx, [it.runId])
  const problem = fenceProblem({ ...it, leaseToken: it.token }, now)
  if (problem) throw problem
  const row = await findKeyedRequest(tx, it.runId, key)
  if (row && row.kind !== kind) throw refuseField('key', `is that of a question of the kind ${row.kind}`)
  return row
}

async function ask(tx: Tx, it: Attempt, question: Question): Promise<string> {
  const id = newId()
  const [asked] = await appendIn(tx, [
    {
      projectId: it.projectId,
      runId: it.runId,
      token: it.token,
      type: 'input.requested',
      actor: it.actor,
      resourceType: 'input_request',
      resourceId: id,
      ...(question.agentId && { agentId: question.agentId }),
      data: {
        kind: question.kind,
        prompt: question.prompt,
        params: question.params,
        editable_params: question.editableParams,
        ...(question.key !== null && { key: question.key }),
        ...(question.assignee !== null && { assignee: question.assignee }),
      },
    },
  ])
  if (asked!.outcome === 'stale')
    throw isOver(asked!.state as RunRow['state'])
      ? refuse('run_over', { runId: it.runId, state: asked!.state })
      : refuse('stale_lease', { runId: it.runId })
  if (asked!.outcome === 'no_run') throw refuse('run_not_found', { runId: it.runId })
  if ((await countPending(tx, it.runId)) >= PENDING_MAX)
    throw refuseField('prompt', `would be one more than the ${PENDING_MAX} requests of a run that may be pending`)
  await insertInputRequests(tx, [
    {
      ...question,
      id,
      projectId: it.projectId,
      runId: it.runId,
      authorizationId: null,
      eventId: asked!.id,
      askedByKey: null,
    },
  ])
  tx.rings.add('inputs')
  return id
}

/** Suspends the run until nothing is pending. */
export async function restForInput(tx: Tx, it: Attempt): Promise<void> {
  await refuseWhilePausing(tx, it.runId)
  const [changed] = await moveRunsIn(tx, [
    {
      runId: it.runId,
      move: 'wait',
      from: ['executing'],
      token: it.token,
      actor: it.actor,
      wait: newWait('input', {}),
      data: { for: 'input' },
    },
  ])
  // A run that already waits for input waits for this one too.
  if (changed!.outcome === 'already' && (await findWait(tx, it.runId))?.kind === 'input') return
  const problem =
    changed!.outcome === 'already'
      ? refuse('wrong_state', { runId: it.runId, state: 'waiting', needs: ['executing'] })
      : moveProblem(it.runId, 'wait', changed!)
  if (problem) throw problem
}

/** Answers a pending request, once. */
export async function answerInput(
  ctx: Ctx,
  asked: Cause & { projectId: string; requestId: string; answer: InputAnswer },
): Promise<InputRow> {
  const row = await requireInput(ctx, asked.projectId, asked.requestId)
  const { type, id } = asked.actor
  if (type === 'api_key' && id !== null && id === row.askedByKey)
    throw refuse('own_question', { inputRequestId: row.id })
  await checkAnswer(row, asked.answer)
  // Unedited params are part of the answer too, so that its reader need not look at the question.
  const edited = asked.answer.params?.members() ?? {}
  const params = Object.keys(edited).length === 0 ? row.params : Json.of({ ...row.params.members(), ...edited })
  const answer = { ...asked.answer, params }
  await endInput(ctx, row, { state: 'answered', answer, by: asked.actor }, asked.actor)
  return (await findInputRequest(ctx.sql, asked.projectId, row.id))!
}

/** A request that expired: its default becomes the answer, or its run fails. */
export async function expireInput(ctx: Ctx, row: InputRow): Promise<void> {
  const given = row.onExpiry === 'default' ? (row.defaultAnswer?.members() as InputAnswer | undefined) : undefined
  const answer = given ? { params: row.params, ...given } : null
  await endInput(ctx, row, { state: 'expired', answer, by: SYSTEM }, SYSTEM).catch((error: unknown) => {
    // Answered at the last moment.
    if (!(error instanceof Error && 'code' in error && error.code === 'input_over')) throw error
  })
}

export async function requireInput(ctx: Pick<Ctx, 'sql'>, projectId: string, requestId: string): Promise<InputRow> {
  const row = await findInputRequest(ctx.sql, projectId, requestId)
  if (!row) throw refuse('input_not_found', { inputRequestId: requestId })
  return row
}

async function endInput(ctx: Ctx, row: InputRow, end: InputEnd, actor: Actor): Promise<void> {
  const isFailed = await transact(ctx, async (tx) => {
    // The agent, then the run, then the request: the lock order of everyone (the run's event locks the run).
    const approving = await lockForApproval(tx, row)
    const [told] = await appendIn(tx, [
      {
        projectId: row.projectId,
        ...placeOfAsked(row),
        type: end.state === 'answered' ? 'input.answered' : 'input.expired',
        actor,
        resourceType: 'input_request',
        resourceId: row.id,
        ...(row.eventId && { causationId: row.eventId }),
        ...(row.agentId && { agentId: row.agentId }),
        data: { kind: row.kind, ...shownAnswer(row, end) },
      },
    ])
    const state = await lockInputRequest(tx, row.id)
    if (state !== 'pending') throw refuse('input_over', { inputRequestId: row.id, state: state ?? 'gone' })
    await endInputRequest(tx, row.id, end)
    const causationId = told!.outcome === 'appended' ? told!.id : undefined
    if (approving)
      await decideApproval(tx, row, {
        ...approving,
        approved: end.answer?.approved === true,
        params: end.answer?.params,
        actor,
        causationId,
      })
    tx.rings.add('inputs')
    return row.runUuid !== null && resumeAfterAnswer(tx, row, { end, causationId })
  })
  feedOf(ctx).changed([row.projectId])
  if (isFailed) await cancelDescendants(ctx, [row.runUuid!], { actor: SYSTEM })
}

/** The arguments of a call are shown only to its approver: the log has their hash. */
function shownAnswer(row: InputRow, { answer }: InputEnd): InputAnswer | null {
  if (!answer || !row.authorizationId) return answer
  const { params: _, ...shown } = answer
  return shown
}

type Ended = { end: InputEnd; causationId: string | undefined }

/** Stores the answer with the run, and resumes it when nothing else is pending. Whether it failed for want of an answer. */
async function resumeAfterAnswer(tx: Tx, row: InputRow, { end, causationId }: Ended): Promise<boolean> {
  const runId = row.runUuid!
  const value = { request_id: row.id, kind: row.kind, status: end.state, ...end.answer }
  await putValue(tx, { runId, key: inputKey(row.id), value })
  const [run] = await readRuns(tx, [runId])
  const about = { actor: SYSTEM, ...(causationId && { causationId }) }
  if (end.state === 'expired' && !end.answer) {
    const error = 'nobody answered in time'
    // A paused run, or one that waits for its next attempt, stays so.
    const [changed] = await moveRunsIn(tx, [
      {
        runId,
        move: 'fail',
        ...about,
        error,
        errorCode: 'input_expired',
        data: { error, error_code: 'input_expired' },
      },
    ])
    return changed!.outcome === 'moved'
  }
  if ((await findWait(tx, runId))?.kind !== 'input') return false
  if ((await countPending(tx, runId)) > 0) return false
  await wake(tx, run!, { ...about, data: { for: 'input', input_request_id: row.id } })
  return false
}
