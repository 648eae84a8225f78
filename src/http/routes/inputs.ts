import type { FastifyInstance } from 'fastify'
import { type InputAnswer, type InputFilter, type InputRow, listInputRequests } from '#agents/input-requests.sql.ts'
import { answerInput, askForInput, requireInput } from '#agents/input-requests.ts'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/inputs.ts'
import { Json } from '#core/json/json.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { answer, implement } from '../implement.ts'
import { createdCursor, createdKey, encodeCursor, pageOf } from '../wire/cursor.ts'
import { iso } from '../wire/words.ts'
import { attemptOf } from './attempts.ts'

export const inputWire = (row: InputRow) => ({
  id: row.id,
  run_id: row.runId,
  agent_id: row.agentId,
  authorization_id: row.authorizationId,
  key: row.key,
  assignee: row.assignee,
  kind: row.kind,
  prompt: row.prompt,
  params: row.params as object as Record<string, unknown>,
  editable_params: row.editableParams,
  schema: row.schema,
  on_expiry: row.onExpiry,
  default: row.defaultAnswer as object as Record<string, unknown> | null,
  status: row.state,
  answer: row.answer as object as Record<string, unknown> | null,
  answered_by:
    row.answeredByType === null ? null : { type: row.answeredByType, id: row.answeredById, name: row.answeredByName },
  created_at: row.createdAt.toISOString(),
  answered_at: iso(row.answeredAt),
  expires_at: iso(row.expiresAt),
})

export function inputRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.askForInput, async ({ wait, ...input }, caller) => {
    const { agentId } = await requireRun(ctx, caller.projectId, caller.runId)
    const question = {
      kind: input.kind,
      prompt: input.prompt,
      params: Json.of(input.params),
      editableParams: input.editable_params,
      schema: input.schema ?? null,
      expiresInSecs: input.expires_in_secs ?? null,
      onExpiry: input.on_expiry,
      defaultAnswer: (input.default as object as InputAnswer | undefined) ?? null,
      agentId,
      key: input.key ?? null,
      assignee: input.assignee ?? null,
    }
    const { row, replayed } = await askForInput(ctx, attemptOf(caller), { ...question, wait })
    return replayed ? answer(200, inputWire(row)) : answer(201, inputWire(row))
  })
  implement(app, contract.listRunInputs, async ({ run_id, cursor, limit }, { projectId }) => {
    const run = await requireRun(ctx, projectId, run_id)
    return page('run-inputs', cursor, { projectId, runId: run.id, limit })
  })
  implement(app, contract.listInputs, async ({ status, kind, agent_id, run_id, cursor, limit }, { projectId }) => {
    const runId = run_id === undefined ? undefined : (await requireRun(ctx, projectId, run_id)).id
    return page('inputs', cursor, { projectId, state: status, kind, agentId: agent_id, runId, limit })
  })
  implement(app, contract.getInput, async ({ input_request_id }, { projectId }) =>
    inputWire(await requireInput(ctx, projectId, input_request_id)),
  )
  implement(app, contract.answerInput, async ({ input_request_id, ...answer }, { projectId, actor }) =>
    inputWire(
      await answerInput(ctx, {
        projectId,
        actor,
        requestId: input_request_id,
        answer: answer as object as InputAnswer,
      }),
    ),
  )

  async function page(list: string, cursor: string | undefined, filter: InputFilter) {
    const after = createdCursor(list, cursor)
    const rows = await listInputRequests(ctx.reads, { ...filter, after, limit: filter.limit + 1 })
    return pageOf(rows, filter.limit, {
      wire: inputWire,
      cursor: (row) => encodeCursor(list, createdKey(row)),
    })
  }
}
