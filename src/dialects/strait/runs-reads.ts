// Reads of runs and their records, in Strait's format.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { refuseField } from '#core/error.ts'
import { implement } from '#http/implement.ts'
import { textFlaw } from '#http/input/json.ts'
import { createdKey, encodeCursor } from '#http/wire/cursor.ts'
import { jsonOf } from '#http/wire/run-filter.ts'
import { BUNDLE_BOUNDS, type DebugBundle, readDebugBundle } from '#insight/debug-bundle.ts'
import { dependencyStatus } from '#jobs/job-dependencies.ts'
import { instantText } from '#postgres/instant.ts'
import { listRunsPage, type RunFilter, type RunPage, type RunPlace } from '#run-state/read/list-runs.sql.ts'
import { findRunBody, type RunRow, readLineage } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { readRunBodies } from '#run-state/read/run-bodies.sql.ts'
import { checkProjectOfRead, createdPlace, isWhole, nameNext, pageOf, shown, untied } from './paging.ts'
import { straitRun, triggersShownAs } from './run-wire.ts'
import * as contract from './runs-contract.ts'
import { CHUNK, checkpointWire, eventWire, outputWire, toolCallWire, usageWire } from './runs-record-wire.ts'
import { straitRefusal } from './wording.ts'

const LINEAGE_DEPTH_MAX = 50
/** Each examines at most 5,000 runs. */
const LOOKS_MAX = 10

type Asked = {
  request: FastifyRequest
  reply: FastifyReply
  limit?: number | undefined
  cursor?: string | undefined
}

/** What is shown of a run whose payload and result have been deleted. */
const GONE = { gone: true }

export function straitReadRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listRuns, async ({ project_id, limit, cursor, ...asked }, caller, request, reply) => {
    checkProjectOfRead(project_id, caller)
    const { metadata_key, metadata_value, tag_key, tag_value, payload_contains } = asked
    const filter: Conditions = {
      projectId: caller.projectId,
      order: 'newest',
      states: statesOf(asked),
      execution: asked.execution_mode,
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
    const run = await requireRun(ctx, projectId, run_id)
    return straitRun(run, (await findRunBody(ctx.sql, run.id)) ?? GONE)
  })
  implement(app, contract.listChildren, async ({ run_id, limit, cursor }, { projectId }, request, reply) => {
    const parent = await requireRun(ctx, projectId, run_id)
    const filter: Conditions = { projectId, order: 'oldest', parentRunId: parent.id }
    const asked = { request, reply, limit, cursor }
    const whole = isWhole(asked) ? BUNDLE_BOUNDS.children.limit : undefined
    return pageOfRuns(ctx, asked, { list: 'strait-children', filter, whole })
  })
  implement(app, contract.listLineage, async ({ run_id, limit, cursor }, { projectId }, request, reply) => {
    const run = await requireRun(ctx, projectId, run_id)
    const after = createdPlace('strait-lineage', cursor, 'oldest')
    const chain = await readLineage(ctx.reads, run.id, LINEAGE_DEPTH_MAX)
    const rows = after ? chain.filter((row) => isBeyond(row, after)) : chain
    const page = isWhole({ limit, cursor }) ? rows.length : shown(limit)
    return runsPage(ctx, { request, reply, limit: page }, { list: 'strait-lineage', rows })
  })
  implement(app, contract.getDependencyStatus, async ({ run_id }, { projectId }) => {
    const run = await requireRun(ctx, projectId, run_id)
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
    const run = await requireRun(ctx, projectId, run_id)
    const [body, bundle] = [await findRunBody(ctx.sql, run.id), await readDebugBundle(ctx, run)]
    const id = run.publicId
    return {
      run: straitRun(run, body ?? GONE),
      events: eventsOf(bundle).map(eventWire),
      checkpoints: bundle.checkpoints.map((row) => checkpointWire(id, row)),
      // Newest first, as in their list.
      usage: bundle.usage.toReversed().map((row) => usageWire(id, row)),
      tool_calls: bundle.toolCalls.map((row) => toolCallWire(id, row)),
      outputs: bundle.outputs.map((row) => outputWire(id, row)),
    }
  })
}

/** Debug lines are among the others, as in the list of events; chunks are not. */
const eventsOf = ({ events, deltas }: DebugBundle) =>
  [...events, ...deltas.filter((row) => row.type !== CHUNK)].sort((a, b) => a.sequence! - b.sequence!)

type Conditions = Omit<RunFilter, 'limit' | 'after'>

/** `whole` is how many runs are shown at once when the whole list is requested. */
type List = { list: string; filter: Conditions; whole?: number | undefined }

async function pageOfRuns(ctx: Ctx, asked: Asked, { list, filter, whole }: List) {
  const after = createdPlace(list, asked.cursor, filter.order)
  let beyond: RunPlace | undefined
  const { rows, limit } = await untied(whole ?? shown(asked.limit), async (count) => {
    const found = await lookFor(ctx, { ...filter, after, limit: count })
    beyond = found.next
    return found.rows
  })
  return runsPage(ctx, { ...asked, limit }, { list, rows, beyond: rows.length <= limit ? beyond : undefined })
}

/** A filter with few matches examines a bounded number of runs; the next page continues where this one stopped. */
async function lookFor(ctx: Ctx, filter: RunFilter): Promise<RunPage> {
  const rows: RunRow[] = []
  let next = filter.after
  for (let looks = 0; looks < LOOKS_MAX && rows.length < filter.limit && (looks === 0 || next); looks++) {
    const page = await listRunsPage(ctx.reads, { ...filter, after: next, limit: filter.limit - rows.length })
    rows.push(...page.rows)
    next = page.next
  }
  return { rows, next }
}

type FoundRuns = {
  list: string
  rows: RunRow[]
  /** Where to continue when the page is short but there may be more. */
  beyond?: RunPlace | undefined
}

/** Runs with their bodies. If those are huge, the page is shorter than requested, and says that there are more. */
async function runsPage(
  ctx: Ctx,
  { request, reply, limit }: Asked & { limit: number },
  { list, rows, beyond }: FoundRuns,
) {
  const ids = rows.slice(0, limit).map((row) => row.id)
  const { bodies, within } = await readRunBodies(ctx.reads, ids)
  const page = pageOf(request, reply, { rows, limit: within, list, place: createdKey })
  if (beyond && page.length === rows.length) nameNext(request, reply, encodeCursor(list, [beyond.createdAt, beyond.id]))
  return page.map((row) => straitRun(row, bodies.get(row.id)))
}

/** Runs in the response of an operation. Bodies that do not fit are omitted; a read of the single run has them. */
export async function runsWithBodies(ctx: Ctx, rows: readonly RunRow[]) {
  const { bodies } = await readRunBodies(
    ctx.sql,
    rows.map((row) => row.id),
  )
  return rows.map((row) => straitRun(row, bodies.get(row.id)))
}

function isBeyond(row: RunRow, place: RunPlace): boolean {
  const at = instantText(row.createdAt)
  return isLater(at, place.createdAt) || (!isLater(place.createdAt, at) && row.id > place.id)
}

/** Times in any form of RFC 3339, to the microsecond. */
function isLater(one: string, other: string): boolean {
  const apartMs = Math.trunc(Date.parse(one)) - Math.trunc(Date.parse(other))
  return apartMs > 0 || (apartMs === 0 && microsOf(one) > microsOf(other))
}

const microsOf = (time: string): number => Number((/\.(\d+)/.exec(time)?.[1] ?? '').padEnd(6, '0').slice(3, 6))

type AskedStates = { status?: string; statuses?: string[]; 'statuses[]'?: string[] }

function statesOf({ status, statuses = [], 'statuses[]': others = [] }: AskedStates): string[] | undefined {
  const several = [...statuses, ...others]
  if (status !== undefined && several.length > 0)
    throw straitRefusal(400, 'status and statuses cannot be combined', 'validation_error')
  return status === undefined ? several : [status]
}

type Pair = [key: string, value: string | undefined]

function pairOf(what: string, key: string | undefined, value: string | undefined): Pair[] {
  if (key !== undefined) return [[key, value]]
  if (value !== undefined) throw straitRefusal(400, `${what}_value requires ${what}_key`, 'validation_error')
  return []
}

const LABEL_LENGTH_MAX = 1024

/** The older syntax of the same filters, `tags[env]=test`, which may be repeated. */
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
