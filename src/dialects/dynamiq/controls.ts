// Canceling a run, and answering its questions.

import type { FastifyInstance } from 'fastify'
import { checkAnswer } from '#agents/check-question.ts'
import { findInputRequest, type InputAnswer, type InputRow } from '#agents/input-requests.sql.ts'
import { answerInput } from '#agents/input-requests.ts'
import type { Ctx } from '#bell/ctx.ts'
import { Refusal, refuse, refuseField } from '#core/error.ts'
import { Json, parsedJson } from '#core/json/json.ts'
import { own } from '#core/own.ts'
import { isOver } from '#core/run.ts'
import { implement } from '#http/implement.ts'
import { isUuid } from '#postgres/id.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { cancelRun } from '#runs/control/cancel-runs.ts'
import { resumeRun } from '#runs/control/move-by-hand.ts'
import * as contract from './contract.ts'
import { isBlank } from './create.ts'
import { statusOf, typeOf } from './run-wire.ts'

export function dynamiqControlRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.cancelRun, async ({ run_id }, { projectId, actor }) => {
    const run = await requireRun(ctx, projectId, run_id)
    if (!isOver(run.state))
      // It may end between our read and the cancel, which is then not needed.
      await cancelRun(ctx, { projectId, actor, runId: run_id }).catch(unless('run_over'))
    return { message: 'canceled' as const }
  })

  implement(app, contract.sendInput, async ({ run_id, type, data }, { projectId, actor }) => {
    const run = await requireRun(ctx, projectId, run_id)
    const question = await findQuestion(ctx, run, data.request_id)
    if (question?.state !== 'pending') throw notPending(question, run)
    if (typeOf(question) !== (type === 'approval' ? 'approval_request' : type))
      throw refuseField('type', `must be ${typeOf(question)}, which is what the run asks for`)
    // A remark on an approval may be empty; an answer may not.
    if (type === 'human_feedback' && isBlank(data.feedback)) throw refuseField('data.feedback', 'must not be blank')
    const answer = answerOf(question, data)
    // Validated first: a paused run must not be resumed by an answer that is refused.
    await inWords(() => checkAnswer(question, answer))
    if (run.state === 'paused') await resumeRun(ctx, { projectId, actor, runId: run_id }).catch(unless('wrong_state'))
    await inWords(() => answerInput(ctx, { projectId, actor, requestId: question.id, answer }))
    return { message: 'ok' as const }
  })
}

const unless =
  (code: Refusal['code']) =>
  (error: unknown): void => {
    if (!(error instanceof Refusal && error.code === code)) throw error
  }

async function findQuestion(ctx: Ctx, run: RunRow, requestId: string): Promise<InputRow | undefined> {
  const row = isUuid(requestId) ? await findInputRequest(ctx.sql, run.projectId, requestId) : undefined
  return row?.runUuid === run.id ? row : undefined
}

function notPending(question: InputRow | undefined, run: RunRow): Refusal {
  const status = statusOf(run.state)
  if (status !== 'started' && status !== 'paused')
    return refuseField('status', `is ${status}; a run takes input while it is started or paused`)
  return question
    ? refuseField('data.request_id', `is one of a request that is ${question.state} already`)
    : refuseField('data.request_id', 'is not one of a pending request of this run')
}

type Data = {
  is_approved?: boolean | null | undefined
  approved?: boolean | null | undefined
  feedback?: unknown
  params?: Record<string, unknown> | null | undefined
}

/** Clients send null for omitted fields. */
function answerOf({ kind }: InputRow, { is_approved, approved, feedback, params }: Data): InputAnswer {
  const answer = approved ?? is_approved
  if (answer !== (is_approved ?? answer)) throw refuseField('data.approved', 'differs from is_approved')
  return {
    ...(kind === 'approval' && typeof answer === 'boolean' && { approved: answer }),
    ...(feedback !== undefined && parsedJson(feedback) !== null && { feedback }),
    ...(params && { params: Json.of(params) }),
  }
}

/** The names of our fields in this API. */
const FIELDS: Readonly<Record<string, string>> = { approved: 'is_approved' }

async function inWords<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    // Someone else answered between our read and this.
    if (error.code === 'input_over') throw refuseField('data.request_id', error.message)
    if (error.code !== 'invalid') throw error
    const { fields } = error.details as { fields: { field: string; message: string }[] }
    throw refuse('invalid', {
      fields: fields.map(({ field, message }) => ({ field: `data.${own(FIELDS, field) ?? field}`, message })),
    })
  }
}
