import type { FastifyInstance } from 'fastify'
import type { RunTokens } from '#access/run-tokens.ts'
import type { Ctx } from '#bell/ctx.ts'
import type { RunInput } from '#contract/runs/run.ts'
import * as contract from '#contract/runs/runs.ts'
import { refuse } from '#core/error.ts'
import { parseTraceparent } from '#core/runs/trace-context.ts'
import { explainRun } from '#insight/explain-run.ts'
import { listRunsPage, type RunFilter } from '#run-state/read/list-runs.sql.ts'
import { findRunBody, type RunRow, readLineage } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { spawnRun } from '#runs/control/spawn-run.ts'
import { triggerBatch } from '#runs/trigger/trigger-batch.ts'
import { type Triggered, triggerRun, triggerRuns } from '#runs/trigger/trigger-runs.ts'
import { askedBy, idempotencyKeyOf, type ScopedCaller } from '../caller.ts'
import { implement } from '../implement.ts'
import { itemProblemOf } from '../problems.ts'
import { createdCursor, createdKey, encodeCursor, pageOf } from '../wire/cursor.ts'
import { runConditions } from '../wire/run-filter.ts'
import { runRequest } from '../wire/run-request.ts'
import { runWire, whyWire } from '../wire/run-wire.ts'

const LINEAGE_DEPTH_MAX = 50

export function runRoutes(app: FastifyInstance, ctx: Ctx, tokens: RunTokens): void {
  implement(app, contract.createViewToken, async ({ run_id, expires_in_secs }, { projectId }) => {
    const { publicId } = await requireRun(ctx, projectId, run_id)
    const { token, expiresAtMs } = tokens.signView({ runId: publicId, projectId }, expires_in_secs)
    return { token, run_id: publicId, expires_at: new Date(expiresAtMs).toISOString() }
  })
  implement(app, contract.triggerRun, async ({ job, ...input }, caller, request) => {
    const idempotencyKey = idempotencyKeyOf(request, input.idempotency_key)
    const traceparent = request.headers.traceparent as string | undefined
    const asked = runRequest(input, {
      idempotencyKey,
      traceparent: parseTraceparent(traceparent) ? traceparent : undefined,
    })
    const { run, replayed, debounced } = await (input.parent_run_id === undefined
      ? triggerRun(ctx, job, asked, originOf(caller, input))
      : spawnRun(ctx, job, asked, { ...originOf(caller, input), parentRunId: input.parent_run_id }))
    const marks = { ...(replayed && { replayed }), ...(debounced && { debounced }) }
    return { status: replayed || debounced ? 200 : 201, body: { ...runWire(run), ...marks } } as const
  })
  implement(app, contract.listRuns, async ({ cursor, limit, ...asked }, { projectId }) => {
    const conditions = await runConditions(ctx, projectId, asked)
    return pageOfRuns(ctx, 'runs', { filter: { ...conditions, projectId, order: 'newest', limit }, cursor })
  })
  implement(app, contract.listDeadLetters, async ({ cursor, limit, job, queue, agent_id, order }, { projectId }) => {
    const { jobId } = await runConditions(ctx, projectId, { job })
    const filter: RunFilter = {
      projectId,
      states: ['dead_letter'],
      jobId,
      queue,
      agentId: agent_id,
      order: order === 'asc' ? 'oldest' : 'newest',
      limit,
    }
    return pageOfRuns(ctx, `dlq-${order}`, { filter, cursor })
  })
  implement(app, contract.getRun, async ({ run_id, include }, caller) => {
    const run = await requireRun(ctx, caller.projectId, run_id)
    // For a running attempt there are only its run and the children of it.
    if (caller.kind === 'run' && ![run.id, run.parentRunId].includes(caller.runId))
      throw refuse('run_not_found', { runId: run_id })
    const body = await findRunBody(ctx.sql, run.id)
    return runWire(run, {
      trace: body?.trace ?? null,
      gone: body === undefined,
      ...(include.includes('payload') && { payload: body?.payload ?? null }),
      ...(include.includes('result') && { result: body?.result ?? null }),
    })
  })
  implement(app, contract.whyRun, async ({ run_id }, { projectId }) => {
    const run = await requireRun(ctx, projectId, run_id)
    return whyWire(run, await explainRun(ctx, run))
  })
  implement(app, contract.listChildren, async ({ run_id, cursor, limit }, { projectId }) => {
    const parent = await requireRun(ctx, projectId, run_id)
    return pageOfRuns(ctx, 'children', {
      filter: { projectId, parentRunId: parent.id, order: 'newest', limit },
      cursor,
    })
  })
  implement(app, contract.listLineage, async ({ run_id, cursor, limit }, { projectId }) => {
    const run = await requireRun(ctx, projectId, run_id)
    const after = createdCursor('lineage', cursor)
    const rows = await readLineage(ctx.reads, run.id, LINEAGE_DEPTH_MAX)
    const from = after ? rows.findIndex((row) => row.id === after.id) + 1 : 0
    return pageOf(rows.slice(from, from + limit + 1), limit, runPage('lineage'))
  })
}

export function batchTriggerRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.triggerRuns, async ({ job, items }, caller, request) => {
    const good = items.filter((item) => !item.problem)
    const withParent = good.filter((item) => item.value!.parent_run_id !== undefined)
    const plain = good.filter((item) => item.value!.parent_run_id === undefined)
    const batch = { job, itemCount: items.length, ...askedBy(caller) }
    const { batchId, outcomes } = await triggerBatch(ctx, batch, async (batchId) => {
      const outcomes: (Triggered | Error)[] = items.map((item) => item.problem!)
      for (const group of groupBy(plain, (item) => `${item.value!.correlation_id} ${item.value!.causation_id}`)) {
        const origin = { ...originOf(caller, group[0]!.value!), batchId }
        const triggered = await triggerRuns(
          ctx,
          job,
          group.map((item) => runRequest(item.value!)),
          origin,
        )
        group.forEach((item, index) => {
          outcomes[item.index] = triggered[index]!
        })
      }
      for (const { index, value } of withParent) {
        const parent = { ...originOf(caller, value!), parentRunId: value!.parent_run_id! }
        outcomes[index] = await spawnRun(ctx, job, runRequest(value!), parent).catch((error: Error) => error)
      }
      return outcomes
    })
    const results = items.map(({ index }) => {
      const outcome = outcomes[index]!
      if (outcome instanceof Error) return { index, status: 'refused' as const, error: itemProblemOf(outcome, request) }
      return {
        index,
        status: statusOf(outcome),
        run: { id: outcome.run.publicId, status: outcome.run.state },
      }
    })
    const count = (status: string) => results.filter((it) => it.status === status).length
    return {
      batch_id: batchId,
      results,
      total: results.length,
      created: count('created'),
      replayed: count('replayed'),
      debounced: count('debounced'),
      refused: count('refused'),
    }
  })
}

const statusOf = ({ replayed, debounced }: Triggered) => {
  if (debounced) return 'debounced' as const
  return replayed ? ('replayed' as const) : ('created' as const)
}

const originOf = (caller: ScopedCaller, { correlation_id, causation_id }: RunInput) => ({
  ...askedBy(caller),
  triggeredBy: 'manual' as const,
  ...(correlation_id !== undefined && { correlationId: correlation_id }),
  ...(causation_id !== undefined && { causationId: causation_id }),
})

const runPage = (list: string) => ({
  wire: (row: RunRow) => runWire(row),
  cursor: (row: RunRow) => encodeCursor(list, createdKey(row)),
})

async function pageOfRuns(
  ctx: Ctx,
  list: string,
  { filter, cursor }: { filter: RunFilter; cursor: string | undefined },
) {
  const { rows, next } = await listRunsPage(ctx.reads, { ...filter, after: createdCursor(list, cursor) })
  return {
    data: rows.map((row) => runWire(row)),
    next_cursor: next ? encodeCursor(list, [next.createdAt, next.id]) : null,
    has_more: next !== undefined,
  }
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return [...groups.values()]
}
