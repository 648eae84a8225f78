import type { FastifyInstance } from 'fastify'
import { findJobOr404 } from '#actions/change-jobs.ts'
import type { Ctx } from '#actions/ctx.ts'
import { explainRun } from '#actions/explain-run.ts'
import { findRunOr404 } from '#actions/move-run.ts'
import { spawnRun } from '#actions/spawn-run.ts'
import { triggerRun, triggerRuns } from '#actions/trigger-runs.ts'
import type { RunInput } from '#contract/run.ts'
import * as contract from '#contract/runs.ts'
import { refuse, refuseField } from '#core/error.ts'
import { parseTraceparent } from '#core/trace-context.ts'
import { newId } from '#storage/id.ts'
import { findRunBody, listRuns, type RunFilter, type RunRow, readLineage } from '#storage/read-runs.ts'
import { idempotencyKeyOf, type KeyCaller } from '../caller.ts'
import { createdCursor, encodeCursor, pageOf } from '../cursor.ts'
import { WHOLE } from '../field-path.ts'
import { implement } from '../implement.ts'
import { findFlaws, type ParsedJson, parseJsonText } from '../json.ts'
import { itemProblemOf } from '../problems.ts'
import { runRequest } from '../run-request.ts'
import { runWire } from '../run-wire.ts'
import { keyValue } from '../words.ts'

const LINEAGE_DEPTH_MAX = 50

export function runRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.triggerRun, async ({ job, ...input }, caller, request) => {
    const idempotencyKey = idempotencyKeyOf(request, input.idempotency_key)
    const traceparent = request.headers.traceparent as string | undefined
    const asked = runRequest(input, {
      idempotencyKey,
      traceparent: parseTraceparent(traceparent) ? traceparent : undefined,
    })
    const { run, replayed } = await (input.parent_run_id === undefined
      ? triggerRun(ctx, job, asked, originOf(caller, input))
      : spawnRun(ctx, job, asked, { ...originOf(caller, input), parentRunId: input.parent_run_id }))
    return { status: replayed ? 200 : 201, body: { ...runWire(run), ...(replayed && { replayed }) } } as const
  })
  implement(app, contract.triggerRuns, async ({ job, items }, caller, request) => {
    const batchId = newId()
    const good = items.filter((item) => !item.problem)
    const withParent = good.filter((item) => item.value!.parent_run_id !== undefined)
    const plain = good.filter((item) => item.value!.parent_run_id === undefined)
    const outcomes = new Map<number, Awaited<ReturnType<typeof triggerRuns>>[number]>(
      items.flatMap((item) => (item.problem ? [[item.index, item.problem]] : [])),
    )
    for (const group of groupBy(plain, (item) => `${item.value!.correlation_id} ${item.value!.causation_id}`)) {
      const origin = { ...originOf(caller, group[0]!.value!), batchId }
      const triggered = await triggerRuns(
        ctx,
        job,
        group.map((item) => runRequest(item.value!)),
        origin,
      )
      group.forEach((item, index) => void outcomes.set(item.index, triggered[index]!))
    }
    for (const { index, value } of withParent) {
      const parent = { ...originOf(caller, value!), parentRunId: value!.parent_run_id! }
      outcomes.set(index, await spawnRun(ctx, job, runRequest(value!), parent).catch((error: Error) => error))
    }
    // An unknown job is told even if every item was refused before anyone looked for it.
    if (good.length === 0 && !(await ctx.jobs.find(caller.projectId, job))) throw refuse('job_not_found', { job })
    const results = items.map(({ index }) => {
      const outcome = outcomes.get(index)!
      if (outcome instanceof Error) return { index, status: 'refused' as const, error: itemProblemOf(outcome, request) }
      return {
        index,
        status: outcome.replayed ? ('replayed' as const) : ('created' as const),
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
      refused: count('refused'),
    }
  })
  implement(
    app,
    contract.listRuns,
    async ({ cursor, limit, job, status, tag, metadata, payload_contains, ...rest }, { projectId }) => {
      const filter: RunFilter = {
        projectId,
        states: status,
        tags: tag?.map(keyValue),
        metadata: metadata?.map(keyValue),
        triggeredBy: rest.triggered_by,
        batchId: rest.batch_id,
        correlationId: rest.correlation_id,
        queue: rest.queue,
        agentId: rest.agent_id,
        createdFrom: rest.created_from,
        createdTo: rest.created_to,
        payloadContains: payload_contains === undefined ? undefined : jsonOf(payload_contains, 'payload_contains'),
        jobId: job === undefined ? undefined : await jobIdOf(ctx, projectId, job),
        parentRunId:
          rest.parent_run_id === undefined ? undefined : (await findRunOr404(ctx, projectId, rest.parent_run_id)).id,
        order: 'newest',
        limit,
      }
      return pageOfRuns(ctx, 'runs', { filter, cursor })
    },
  )
  implement(app, contract.listDeadLetters, async ({ cursor, limit, job, queue, agent_id, order }, { projectId }) => {
    const jobId = job === undefined ? undefined : await jobIdOf(ctx, projectId, job)
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
  implement(app, contract.getRun, async ({ run_id, include }, { projectId }) => {
    const run = await findRunOr404(ctx, projectId, run_id)
    const body = await findRunBody(ctx.sql, run.id)
    return runWire(run, {
      trace: body?.trace ?? null,
      ...(include.includes('payload') && { payload: body?.payload ?? null }),
      ...(include.includes('result') && { result: body?.result ?? null }),
    })
  })
  implement(app, contract.whyRun, async ({ run_id }, { projectId }) => {
    const run = await findRunOr404(ctx, projectId, run_id)
    const { reason, sentence, since, owner, until, ahead, details } = await explainRun(ctx, run)
    return {
      run_id: run.publicId,
      status: run.state,
      sentence,
      reason,
      since: since.toISOString(),
      ...(owner !== null && { owner }),
      ...(until !== null && { until: until.toISOString() }),
      ...(ahead !== null && { position_hint: ahead }),
      details,
    }
  })
  implement(app, contract.listChildren, async ({ run_id, cursor, limit }, { projectId }) => {
    const parent = await findRunOr404(ctx, projectId, run_id)
    return pageOfRuns(ctx, 'children', {
      filter: { projectId, parentRunId: parent.id, order: 'newest', limit },
      cursor,
    })
  })
  implement(app, contract.listLineage, async ({ run_id, cursor, limit }, { projectId }) => {
    const run = await findRunOr404(ctx, projectId, run_id)
    const after = createdCursor('lineage', cursor)
    const rows = await readLineage(ctx.reads, run.id, LINEAGE_DEPTH_MAX)
    const from = after ? rows.findIndex((row) => row.id === after.id) + 1 : 0
    return pageOf(rows.slice(from, from + limit + 1), limit, runPage('lineage'))
  })
}

const originOf = ({ projectId, actor }: KeyCaller, { correlation_id, causation_id }: RunInput) => ({
  projectId,
  actor,
  triggeredBy: 'manual' as const,
  ...(correlation_id !== undefined && { correlationId: correlation_id }),
  ...(causation_id !== undefined && { causationId: causation_id }),
})

async function jobIdOf(ctx: Ctx, projectId: string, job: string): Promise<string> {
  return (await findJobOr404(ctx, projectId, job)).id
}

const runPage = (list: string) => ({
  wire: (row: RunRow) => runWire(row),
  cursor: (row: RunRow) => encodeCursor(list, [row.createdAt.toISOString(), row.id]),
})

async function pageOfRuns(
  ctx: Ctx,
  list: string,
  { filter, cursor }: { filter: RunFilter; cursor: string | undefined },
) {
  const rows = await listRuns(ctx.reads, { ...filter, after: createdCursor(list, cursor), limit: filter.limit + 1 })
  return pageOf(rows, filter.limit, runPage(list))
}

/** JSON in a query, read as strictly as a body, and written anew: PostgreSQL reads numbers that JavaScript does not. */
function jsonOf(text: string, field: string): string {
  let parsed: ParsedJson
  try {
    parsed = parseJsonText(text, field)
  } catch {
    throw refuseField(field, 'is not JSON')
  }
  const [flaw] = parsed.suspect ? findFlaws(parsed.value) : []
  if (flaw) throw refuseField(flaw.field === WHOLE ? field : `${field}.${flaw.field}`, flaw.message)
  if (hasVanishing(text)) throw refuseField(field, 'contains a number too close to zero to be kept')
  return JSON.stringify(parsed.value)
}

// In a search 1e-20000 is a mistake: what is read of it is zero, which is not what was asked for.
const hasVanishing = (json: string): boolean =>
  (json.replace(/"(?:[^"\\]|\\.)*"/g, '""').match(/\d[\d.]*(?:[eE][+-]?\d+)?/g) ?? []).some(
    (number) => Number(number) === 0 && /[1-9]/.test(number.replace(/[eE].*/, '')),
  )

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
