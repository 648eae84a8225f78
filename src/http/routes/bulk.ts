import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { listOperations, type OperationRow } from '#bulk/operations.sql.ts'
import { cancelOperation, previewOperation, requireOperation, startOperation } from '#bulk/operations.ts'
import * as contract from '#contract/runs/bulk.ts'
import { refuseField } from '#core/error.ts'
import { replayRuns } from '#runs/control/replay-runs.ts'
import { answer, implement } from '../implement.ts'
import { itemProblem } from '../problems.ts'
import { createdCursor, createdKey, encodeCursor, pageOf } from '../wire/cursor.ts'
import { runConditions } from '../wire/run-filter.ts'
import { iso, toWire } from '../wire/words.ts'

export function bulkRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.startOperation, async ({ kind, filter, dry_run, reason, max_runs }, caller) => {
    const { projectId, actor } = caller
    const { all = false, ...asked } = filter
    // A forgotten filter must not mean all runs.
    if (all === Object.keys(asked).length > 0)
      throw refuseField('filter', all ? 'holds other conditions beside all' : 'is empty; all runs are {"all": true}')
    const conditions = await runConditions(ctx, projectId, asked, 'filter.')
    const request = { projectId, actor, kind, filter, conditions, reason, maxRuns: max_runs }
    if (!dry_run) return answer(202, operationWire(await startOperation(ctx, request)))
    const { n, exact, byState, sample } = await previewOperation(ctx, request)
    const by_status = [...byState].map(([status, count]) => ({ status, count })).sort((a, b) => b.count - a.count)
    return answer(200, { dry_run: true, kind, matched: n, matched_is_exact: exact, by_status, sample })
  })
  implement(app, contract.listOperations, async ({ cursor, limit }, { projectId }) => {
    const page = { after: createdCursor('operations', cursor), limit: limit + 1 }
    return pageOf(await listOperations(ctx.reads, projectId, page), limit, {
      wire: operationWire,
      cursor: (row) => encodeCursor('operations', createdKey(row)),
    })
  })
  implement(app, contract.getOperation, async ({ operation_id }, { projectId }) =>
    operationWire(await requireOperation(ctx, projectId, operation_id)),
  )
  implement(app, contract.cancelOperation, async ({ operation_id }, { projectId, actor }) =>
    operationWire(await cancelOperation(ctx, { projectId, actor, operationId: operation_id })),
  )
  implement(app, contract.replayRuns, async ({ run_ids }, { projectId, actor }) => {
    const replayed = await replayRuns(ctx, { projectId, actor, runIds: run_ids })
    const results = replayed.map((it) => ({
      id: it.runId,
      status: 'state' in it ? it.state : null,
      replay_id: ('replay' in it && it.replay?.id) || null,
      ...(it.problem && { error: itemProblem(it.problem) }),
    }))
    const failed = results.filter((it) => it.error).length
    return { results, total: results.length, replayed: results.length - failed, failed }
  })
}

const operationWire = (row: OperationRow) => ({
  id: row.id,
  kind: row.kind,
  status: row.state,
  filter: row.filter,
  max_runs: row.maxRuns,
  reason: row.reason,
  created_by: { type: row.actorType, id: row.actorId, name: row.actorName },
  expected: row.expected,
  matched: row.matched,
  done: row.done,
  skipped: row.skipped,
  runs_per_second: row.elapsedMs > 0 ? Math.round((row.matched / row.elapsedMs) * 10_000) / 10 : 0,
  problems: row.problems.map(toWire),
  error: row.error,
  created_at: row.createdAt.toISOString(),
  finished_at: iso(row.finishedAt),
})
