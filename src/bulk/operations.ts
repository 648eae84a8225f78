// Operations: one thing done to all runs of a filter. They are begun, looked at and canceled here; the engine moves
// their runs, in operation-pages.ts.

import type { Ctx } from '#bell/ctx.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { NAMEABLE_FOR, type OperationKind, ORDER_OF, STATES_FOR } from '#core/operation.ts'
import { appendEvents, type NewEvent } from '#log/append-events.sql.ts'
import { newId } from '#postgres/id.ts'
import type { Db } from '#postgres/sql.ts'
import { type Counted, countRuns, type RunConditions } from '#run-state/read/count-runs.sql.ts'
import { listRunsPage } from '#run-state/read/list-runs.sql.ts'
import { endOperation, findOperation, insertOperation, type OperationRow } from './operations.sql.ts'

const SAMPLE_MAX = 10

export type OperationRequest = Cause & {
  projectId: string
  kind: OperationKind
  /** As the caller gave it, to show it again. */
  filter: Record<string, unknown>
  conditions: RunConditions
  maxRuns?: number | undefined
  reason?: string | undefined
}

/** Begins an operation; the engine of any node takes it from here. */
export async function startOperation(ctx: Ctx, asked: OperationRequest): Promise<OperationRow> {
  const { projectId, kind, actor, filter, maxRuns, reason } = asked
  const conditions = narrowed(asked)
  const counted = await countRuns(ctx.reads, { ...conditions, projectId })
  const expected = counted.exact ? Math.min(counted.n, maxRuns ?? counted.n) : undefined
  const id = newId()
  const operation = await ctx.sql.begin(async (tx) => {
    const row = await insertOperation(tx, { id, projectId, kind, filter, conditions, maxRuns, reason, actor, expected })
    const data = { kind, filter, ...(maxRuns !== undefined && { max_runs: maxRuns }) }
    // The operation has the id of this event: all that it does is caused by it.
    await appendEvents(tx, [
      { ...eventOf(row, 'started', asked), id, causationId: asked.causationId, message: reason, data },
    ])
    return row
  })
  ctx.ring(['operations', 'tail'])
  return operation as OperationRow
}

/** What an operation would find if it began now: how many runs, and the first few of them. */
export async function previewOperation(ctx: Ctx, asked: OperationRequest): Promise<Counted & { sample: string[] }> {
  const { projectId, kind, maxRuns = Number.MAX_SAFE_INTEGER } = asked
  const conditions = narrowed(asked)
  const { n, exact } = await countRuns(ctx.reads, { ...conditions, projectId })
  const limit = Math.min(SAMPLE_MAX, maxRuns)
  // Of the first page only: it may be empty when those that match are few and far between.
  const { rows: first } = await listRunsPage(ctx.reads, { ...conditions, projectId, order: ORDER_OF[kind], limit })
  return { n: Math.min(n, maxRuns), exact: exact || n >= maxRuns, sample: first.map((run) => run.publicId) }
}

export async function requireOperation(ctx: Ctx, projectId: string, id: string): Promise<OperationRow> {
  const operation = await findOperation(ctx.sql, projectId, id)
  if (!operation) throw refuse('operation_not_found', { operationId: id })
  return operation
}

/** Stops an operation: after the page under way, if there is one. What it has done stays done. */
export async function cancelOperation(
  ctx: Ctx,
  asked: Cause & { projectId: string; operationId: string },
): Promise<OperationRow> {
  const { id, state } = await requireOperation(ctx, asked.projectId, asked.operationId)
  const ended = await ctx.sql.begin((tx) => endWithEvent(tx, id, { state: 'canceled' }, asked))
  ctx.ring(['tail'])
  if (ended) return ended as OperationRow
  const now = await findOperation(ctx.sql, asked.projectId, id)
  throw refuse('operation_over', { operationId: id, state: now?.state ?? state })
}

/** Ends an operation that is running, and says so in the log; undefined when it was over. */
export async function endWithEvent(
  tx: Db,
  id: string,
  end: { state: 'completed' | 'canceled' | 'failed'; error?: string },
  { actor }: Cause,
): Promise<OperationRow | undefined> {
  const row = await endOperation(tx, id, end)
  if (!row) return undefined
  const { matched, done, skipped } = row
  const data = { kind: row.kind, matched, done, skipped }
  await appendEvents(tx, [{ ...eventOf(row, end.state, { actor }), causationId: id, message: end.error, data }])
  return row
}

const eventOf = ({ id, projectId }: OperationRow, what: string, { actor, correlationId }: Cause): NewEvent => ({
  projectId,
  type: `operation.${what}`,
  actor,
  correlationId: correlationId ?? id,
  resourceType: 'operation',
  resourceId: id,
})

/** The conditions with the states that this kind of operation is for. */
function narrowed({ kind, conditions }: OperationRequest): RunConditions {
  const { states } = conditions
  const possible: readonly string[] = NAMEABLE_FOR[kind]
  const wanted = states?.length ? states.filter((state) => possible.includes(state)) : STATES_FOR[kind]
  if (wanted.length === 0)
    throw refuseField('filter.status', `must name a state that a ${kind} is for: ${possible.join(', ')}`)
  return { ...conditions, states: wanted }
}
