// Bulk operations: one action on all runs that match a filter. They are started, previewed and canceled here; the
// engine processes their runs, in operation-pages.ts.

import type { Ctx } from '#bell/ctx.ts'
import { type Tx, transact } from '#bell/transact.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { NAMEABLE_FOR, type OperationKind, ORDER_OF, STATES_FOR } from '#core/operation.ts'
import { appendIn } from '#log/append-event.ts'
import type { NewEvent } from '#log/new-event.sql.ts'
import { record } from '#log/record.ts'
import { newId } from '#postgres/id.ts'
import { type Counted, countRuns, type RunConditions } from '#run-state/read/count-runs.sql.ts'
import { listRunsPage } from '#run-state/read/list-runs.sql.ts'
import { endOperation, findOperation, insertOperation, type OperationRow } from './operations.sql.ts'

const SAMPLE_MAX = 10

export type OperationRequest = Cause & {
  projectId: string
  kind: OperationKind
  /** As the caller sent it, for display. */
  filter: Record<string, unknown>
  conditions: RunConditions
  maxRuns?: number | undefined
  reason?: string | undefined
}

/** Starts an operation; the engine of any node processes it. */
export async function startOperation(ctx: Ctx, asked: OperationRequest): Promise<OperationRow> {
  const { projectId, kind, actor, filter, maxRuns, reason } = asked
  const conditions = narrowed(asked)
  const counted = await countRuns(ctx.reads, { ...conditions, projectId })
  const expected = counted.exact ? Math.min(counted.n, maxRuns ?? counted.n) : undefined
  const id = newId()
  return record(ctx, async (tx) => {
    const row = await insertOperation(tx, { id, projectId, kind, filter, conditions, maxRuns, reason, actor, expected })
    const data = { kind, filter, ...(maxRuns !== undefined && { max_runs: maxRuns }) }
    // The operation has the id of this event, which is the cause of everything that it does.
    const event = { ...eventOf(row, 'started', asked), id, causationId: asked.causationId, message: reason, data }
    return { result: row, events: [event], rings: ['operations'] }
  })
}

/** Preview: how many runs an operation would process if it started now, and the first few of them. */
export async function previewOperation(ctx: Ctx, asked: OperationRequest): Promise<Counted & { sample: string[] }> {
  const { projectId, kind, maxRuns = Number.MAX_SAFE_INTEGER } = asked
  const conditions = narrowed(asked)
  const { n, exact, byState } = await countRuns(ctx.reads, { ...conditions, projectId })
  const limit = Math.min(SAMPLE_MAX, maxRuns)
  // Only of the first page, which may be empty when matches are sparse.
  const { rows: first } = await listRunsPage(ctx.reads, { ...conditions, projectId, order: ORDER_OF[kind], limit })
  return { n: Math.min(n, maxRuns), exact: exact || n >= maxRuns, byState, sample: first.map((run) => run.publicId) }
}

export async function requireOperation(ctx: Ctx, projectId: string, id: string): Promise<OperationRow> {
  const operation = await findOperation(ctx.sql, projectId, id)
  if (!operation) throw refuse('operation_not_found', { operationId: id })
  return operation
}

/** Cancels an operation: after the page in progress, if any. What it has done is not undone. */
export async function cancelOperation(
  ctx: Ctx,
  asked: Cause & { projectId: string; operationId: string },
): Promise<OperationRow> {
  const { id, state } = await requireOperation(ctx, asked.projectId, asked.operationId)
  const ended = await transact(ctx, (tx) => endWithEvent(tx, id, { state: 'canceled' }, asked))
  if (ended) return ended
  const now = await findOperation(ctx.sql, asked.projectId, id)
  throw refuse('operation_over', { operationId: id, state: now?.state ?? state })
}

/** Ends a running operation, and logs it; undefined when it had already ended. */
export async function endWithEvent(
  tx: Tx,
  id: string,
  end: { state: 'completed' | 'canceled' | 'failed'; error?: string },
  { actor }: Cause,
): Promise<OperationRow | undefined> {
  const row = await endOperation(tx, id, end)
  if (!row) return undefined
  const { matched, done, skipped } = row
  const data = { kind: row.kind, matched, done, skipped }
  await appendIn(tx, [{ ...eventOf(row, end.state, { actor }), causationId: id, message: end.error, data }])
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

/** The conditions, restricted to the states that this kind of operation processes. */
function narrowed({ kind, conditions }: OperationRequest): RunConditions {
  const { states } = conditions
  const possible: readonly string[] = NAMEABLE_FOR[kind]
  const wanted = states?.length ? states.filter((state) => possible.includes(state)) : STATES_FOR[kind]
  if (wanted.length === 0)
    throw refuseField('filter.status', `must name a state that a ${kind} is for: ${possible.join(', ')}`)
  return { ...conditions, states: wanted }
}
