// Reading runs and what they left behind, in Strait's shapes.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { refuseField } from '#core/error.ts'
import { implement } from '#http/implement.ts'
import { textFlaw } from '#http/input/json.ts'
import { encodeCursor } from '#http/wire/cursor.ts'
import { jsonOf } from '#http/wire/run-filter.ts'
import { type DebugBundle, readDebugBundle } from '#insight/debug-bundle.ts'
import { dependencyStatus } from '#jobs/job-dependencies.ts'
import { readRunLog } from '#log/read-log.sql.ts'
import { listRunsPage, type RunFilter, type RunPlace } from '#run-state/read/list-runs.sql.ts'
import { findRunBody, type RunRow, readLineage } from '#run-state/read/read-runs.sql.ts'
import { readRunBodies } from '#run-state/read/run-bodies.sql.ts'
import { checkpointFrom, logUpTo, toolCallsUpTo, usageFrom } from '#run-state/read/run-places.sql.ts'
import { listCheckpoints, listOutputs, listToolCalls, listValues } from '#runs/attempts/attempt-writes.sql.ts'
import { findRunOr404 } from '#runs/control/move-by-hand.ts'
import { listLatestUsage } from '#usage/usage.sql.ts'
import {
  checkProjectOfRead,
  createdKey,
  createdPlace,
  nameNext,
  namePlace,
  numberPlace,
  pageOf,
  shown,
} from './paging.ts'
import { straitRun, triggersShownAs } from './run-wire.ts'
import * as contract from './runs-contract.ts'
import {
  checkpointWire,
  DEFAULT_LEVEL,
  eventWire,
  outputWire,
  stateWire,
  toolCallWire,
  typesNamed,
  usageWire,
} from './runs-record-wire.ts'
import { straitRefusal } from './wording.ts'

const LINEAGE_DEPTH_MAX = 50
/** Each looks at 5,000 runs at most. */
const LOOKS_MAX = 10
/** Chunks have a stream of their own, and there may be thousands of them between two events. */
const CHUNK = 'stream.chunk'

type Asked = { request: FastifyRequest; reply: FastifyReply; limit: number; cursor?: string | undefined }

export function straitReadRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listRuns, async ({ project_id, limit, cursor, ...asked }, caller, request, reply) => {
    checkProjectOfRead(project_id, caller)
    const { metadata_key, metadata_value, tag_key, tag_value, payload_contains } = asked
    const filter: Conditions = {
      projectId: caller.projectId,
      order: 'newest',
      states: asked.status && [asked.status],
      ...triggersShownAs(asked.triggered_by),
      batchId: asked.batch_id,
      metadata: [...pairOf('metadata', metadata_key, metadata_value), ...bracketed(request, 'metadata')],
      tags: [...pairOf('tag', tag_key, tag_value), ...bracketed(request, 'tags')],
      payloadContains: payload_contains === undefined ? undefined : objectOf(payload_contains),
    }
    return pageOfRuns(ctx, { request, reply, limit, cursor }, { list: 'strait-runs', filter })
  })
  implement(app, contract.listDeadLetters, async ({ project_id, limit, cursor }, caller, request, reply) => {
    checkProjectOfRead(project_id, caller)
    const filter: Conditions = { projectId: caller.projectId, order: 'newest', states: ['dead_letter'] }
    return pageOfRuns(ctx, { request, reply, limit, cursor }, { list: 'strait-dlq', filter })
  })
  implement(app, contract.getRun, async ({ run_id }, { projectId }) => {
    const run = await findRunOr404(ctx, projectId, run_id)
    return straitRun(run, await findRunBody(ctx.sql, run.id))
  })
  implement(app, contract.listChildren, async ({ run_id, limit, cursor }, { projectId }, request, reply) => {
    const parent = await findRunOr404(ctx, projectId, run_id)
    const filter: Conditions = { projectId, order: 'oldest', parentRunId: parent.id }
    return pageOfRuns(ctx, { request, reply, limit, cursor }, { list: 'strait-children', filter })
  })
  implement(app, contract.listLineage, async ({ run_id, limit, cursor }, { projectId }, request, reply) => {
    const run = await findRunOr404(ctx, projectId, run_id)
    const after = createdPlace('strait-lineage', cursor, 'oldest')
    const rows = (await readLineage(ctx.reads, run.id, LINEAGE_DEPTH_MAX)).filter((row) => isBeyond(row, after))
    return runsPage(ctx, { request, reply, limit: shown(limit), cursor }, { list: 'strait-lineage', rows })
  })
  implement(app, contract.getDependencyStatus, async ({ run_id }, { projectId }) => {
    const run = await findRunOr404(ctx, projectId, run_id)
    const { dependencies, satisfied } = await dependencyStatus(ctx, run)
    return {
      run_id: run.publicId,
      job_id: run.jobId ?? '',
      status: run.state,
      dependencies: dependencies.map((it) => ({
        id: it.id,
        job_id: it.jobId,
        depends_on_job_id: it.dependsOnJobId,
        condition: it.condition,
        created_at: it.createdAt.toISOString(),
      })),
      dependencies_satisfied: satisfied,
    }
  })
  implement(app, contract.getDebugBundle, async ({ run_id }, { projectId }) => {
    const run = await findRunOr404(ctx, projectId, run_id)
    const [body, bundle] = [await findRunBody(ctx.sql, run.id), await readDebugBundle(ctx, run)]
    const id = run.publicId
    return {
      run: straitRun(run, body),
      events: eventsOf(bundle).map(eventWire),
      checkpoints: bundle.checkpoints.map((row) => checkpointWire(id, row)),
      // As in their list, the latest first.
      usage: bundle.usage.toReversed().map((row) => usageWire(id, row)),
      tool_calls: bundle.toolCalls.map((row) => toolCallWire(id, row)),
      outputs: bundle.outputs.map((row) => outputWire(id, row)),
    }
  })
  straitRecordRoutes(app, ctx)
}

/** Debug lines are among the others, as in the list of events; what a model writes is not. */
const eventsOf = ({ events, deltas }: DebugBundle) =>
  [...events, ...deltas.filter((row) => row.type !== CHUNK)].sort((a, b) => a.sequence! - b.sequence!)

function straitRecordRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listEvents, async ({ run_id, level, type, ...asked }, { projectId }, request, reply) => {
    const run = await findRunOr404(ctx, projectId, run_id)
    const limit = shown(asked.limit)
    const list = 'strait-events'
    const page = await readRunLog(ctx.reads, {
      runId: run.id,
      runCreatedAt: run.createdAt,
      afterSequence: (await numberPlace(list, asked.cursor, (time) => logUpTo(ctx.reads, run.id, time))) ?? 0,
      limit: limit + 1,
      deltas: true,
      level,
      defaultLevel: DEFAULT_LEVEL,
      types: type === undefined ? undefined : typesNamed(type),
      exceptTypes: [CHUNK],
    })
    const { rows = [], more = false } = page ?? {}
    return pageOf(request, reply, { rows, limit, more, list, place: (row) => [row.sequence!] }).map(eventWire)
  })
  implement(app, contract.listCheckpoints, async ({ run_id, ...asked }, { projectId }, request, reply) => {
    const run = await findRunOr404(ctx, projectId, run_id)
    const limit = shown(asked.limit)
    const list = 'strait-checkpoints'
    const before = await numberPlace(list, asked.cursor, (time) => checkpointFrom(ctx.reads, run.id, time))
    const rows = await listCheckpoints(ctx.reads, run.id, { before, limit: limit + 1 })
    const page = pageOf(request, reply, { rows, limit, list, place: (row) => [row.number] })
    return page.map((row) => checkpointWire(run.publicId, row))
  })
  implement(app, contract.listUsage, async ({ run_id, ...asked }, { projectId }, request, reply) => {
    const run = await findRunOr404(ctx, projectId, run_id)
    const limit = shown(asked.limit)
    const list = 'strait-usage'
    const before = await numberPlace(list, asked.cursor, (time) => usageFrom(ctx.reads, run.id, time))
    const rows = await listLatestUsage(ctx.reads, run.id, { before, limit: limit + 1 })
    const page = pageOf(request, reply, { rows, limit, list, place: (row) => [row.sequence] })
    return page.map((row) => usageWire(run.publicId, row))
  })
  implement(app, contract.listToolCalls, async ({ run_id, ...asked }, { projectId }, request, reply) => {
    const run = await findRunOr404(ctx, projectId, run_id)
    const limit = shown(asked.limit)
    const list = 'strait-tool-calls'
    const after = (await numberPlace(list, asked.cursor, (time) => toolCallsUpTo(ctx.reads, run.id, time))) ?? 0
    const rows = await listToolCalls(ctx.reads, run.id, { after, limit: limit + 1 })
    const page = pageOf(request, reply, { rows, limit, list, place: (row) => [row.sequence] })
    return page.map((row) => toolCallWire(run.publicId, row))
  })
  implement(app, contract.listOutputs, async ({ run_id, ...asked }, { projectId }, request, reply) => {
    const run = await findRunOr404(ctx, projectId, run_id)
    const limit = shown(asked.limit)
    const list = 'strait-outputs'
    const rows = await listOutputs(ctx.reads, run.id, { after: namePlace(list, asked.cursor) ?? '', limit: limit + 1 })
    const page = pageOf(request, reply, { rows, limit, list, place: (row) => [row.outputKey] })
    return page.map((row) => outputWire(run.publicId, row))
  })
  implement(app, contract.listState, async ({ run_id, ...asked }, { projectId }, request, reply) => {
    const run = await findRunOr404(ctx, projectId, run_id)
    return pageOfState(ctx, { request, reply, ...asked }, run)
  })
}

export async function pageOfState(ctx: Ctx, { request, reply, limit, cursor }: Asked, run: RunRow) {
  const list = 'strait-state'
  const rows = await listValues(ctx.reads, run.id, { after: namePlace(list, cursor) ?? '', limit: shown(limit) + 1 })
  const page = pageOf(request, reply, { rows, limit: shown(limit), list, place: (row) => [row.key] })
  return page.map((row) => stateWire(run.publicId, row))
}

type Conditions = Omit<RunFilter, 'limit' | 'after'>

async function pageOfRuns(ctx: Ctx, asked: Asked, { list, filter }: { list: string; filter: Conditions }) {
  const limit = shown(asked.limit)
  const after = createdPlace(list, asked.cursor, filter.order)
  const rows: RunRow[] = []
  let place: RunPlace | undefined = after
  // A filter that finds little is looked for in a bounded number of runs; the next page goes on where this one stopped.
  for (let looks = 0; looks < LOOKS_MAX && rows.length <= limit && (looks === 0 || place); looks++) {
    const page = await listRunsPage(ctx.reads, { ...filter, after: place, limit: limit + 1 - rows.length })
    rows.push(...page.rows)
    place = page.next
  }
  return runsPage(ctx, { ...asked, limit }, { list, rows, beyond: rows.length <= limit ? place : undefined })
}

type FoundRuns = {
  list: string
  rows: RunRow[]
  /** Where to look on, when the page is short though there may be more. */
  beyond?: RunPlace | undefined
}

/** Runs with their bodies. Where those are huge the page is shorter than was asked for, and says that there is more. */
async function runsPage(ctx: Ctx, { request, reply, limit }: Asked, { list, rows, beyond }: FoundRuns) {
  const ids = rows.slice(0, limit).map((row) => row.id)
  const { bodies, within } = await readRunBodies(ctx.reads, ids)
  const page = pageOf(request, reply, { rows, limit: within, list, place: createdKey })
  if (beyond && page.length === rows.length) nameNext(request, reply, encodeCursor(list, [beyond.createdAt, beyond.id]))
  return page.map((row) => straitRun(row, bodies.get(row.id)))
}

/** Runs that an operation answers with. Bodies that do not fit into the answer are left out; the run alone has them. */
export async function runsWithBodies(ctx: Ctx, rows: readonly RunRow[]) {
  const { bodies } = await readRunBodies(
    ctx.sql,
    rows.map((row) => row.id),
  )
  return rows.map((row) => straitRun(row, bodies.get(row.id)))
}

const isBeyond = (row: RunRow, place: { createdAt: string; id: string } | undefined): boolean => {
  if (!place) return true
  const apart = row.createdAt.getTime() - Date.parse(place.createdAt)
  return apart > 0 || (apart === 0 && row.id > place.id)
}

type Pair = [key: string, value: string | undefined]

function pairOf(what: string, key: string | undefined, value: string | undefined): Pair[] {
  if (key !== undefined) return [[key, value]]
  if (value !== undefined) throw straitRefusal(400, `${what}_value requires ${what}_key`, 'validation_error')
  return []
}

const LABEL_LENGTH_MAX = 1024

/** The older spelling of the same filters, `tags[env]=test`, of which there may be several. */
function bracketed({ url }: FastifyRequest, what: 'tags' | 'metadata'): Pair[] {
  const query = new URLSearchParams(url.slice(url.indexOf('?') + 1))
  return [...query].flatMap(([name, value]): Pair[] => {
    const key = name.startsWith(`${what}[`) && name.endsWith(']') ? name.slice(what.length + 1, -1) : ''
    if (key === '') return []
    for (const text of [key, value]) {
      const flaw = text.length > LABEL_LENGTH_MAX ? `is longer than ${LABEL_LENGTH_MAX} characters` : textFlaw(text)
      if (flaw) throw refuseField(name.replace(/[^ -~]/g, '?').slice(0, 100), flaw)
    }
    return [[key, value]]
  })
}

function objectOf(text: string): string {
  const json = jsonOf(text, 'payload_contains')
  if (!json.startsWith('{')) throw straitRefusal(400, 'payload_contains must be a JSON object', 'validation_error')
  return json
}
