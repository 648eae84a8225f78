// Reads of a run's records, in Strait's format: the whole list, or a page.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { implement } from '#http/implement.ts'
import { BUNDLE_BOUNDS } from '#insight/debug-bundle.ts'
import {
  type Bounds,
  type Records,
  readFirstToolCalls,
  readLatestCheckpoints,
  readOutputs,
  readValues,
} from '#insight/read-records.sql.ts'
import { readRunLog } from '#log/read-log.sql.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { checkpointFrom, logUpTo, toolCallsUpTo, usageFrom } from '#run-state/read/run-places.sql.ts'
import { listLatestUsage } from '#usage/usage.sql.ts'
import { isWhole, namePlace, numberPlace, pageOf, shown } from './paging.ts'
import * as contract from './runs-contract.ts'
import {
  CHUNK,
  checkpointWire,
  DEFAULT_LEVEL,
  eventWire,
  outputWire,
  stateWire,
  toolCallWire,
  typesNamed,
  usageWire,
} from './runs-record-wire.ts'

type Asked = {
  request: FastifyRequest
  reply: FastifyReply
  limit?: number | undefined
  cursor?: string | undefined
}

export function straitRecordRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listEvents, async ({ run_id, level, type, ...asked }, { projectId }, request, reply) => {
    const run = await requireRun(ctx, projectId, run_id)
    const whole = isWhole(asked)
    const limit = whole ? BUNDLE_BOUNDS.events.limit : shown(asked.limit)
    const list = 'strait-events'
    const page = await readRunLog(ctx.reads, {
      runId: run.id,
      runCreatedAt: run.createdAt,
      afterSequence: (await numberPlace(list, asked.cursor, (moment) => logUpTo(ctx.reads, run.id, moment))) ?? 0,
      limit: limit + 1,
      deltas: true,
      level,
      defaultLevel: DEFAULT_LEVEL,
      types: type === undefined ? undefined : typesNamed(type),
      exceptTypes: [CHUNK],
      ...(whole && { bytesMax: BUNDLE_BOUNDS.events.bytesMax }),
    })
    const { rows = [], more = false } = page ?? {}
    return pageOf(request, reply, { rows, limit, more, list, place: (row) => [row.sequence!] }).map(eventWire)
  })
  implement(app, contract.listCheckpoints, async ({ run_id, ...asked }, { projectId }, request, reply) => {
    const run = await requireRun(ctx, projectId, run_id)
    const list = 'strait-checkpoints'
    const before = await numberPlace(list, asked.cursor, (moment) => checkpointFrom(ctx.reads, run.id, moment))
    const found = within(
      await readLatestCheckpoints(ctx.reads, run.id, { ...boundsOf(asked, BUNDLE_BOUNDS.checkpoints), after: before }),
    )
    const page = pageOf(request, reply, { ...found, list, place: (row) => [row.number] })
    return page.map((row) => checkpointWire(run.publicId, row))
  })
  implement(app, contract.listUsage, async ({ run_id, ...asked }, { projectId }, request, reply) => {
    const run = await requireRun(ctx, projectId, run_id)
    const list = 'strait-usage'
    const before = await numberPlace(list, asked.cursor, (moment) => usageFrom(ctx.reads, run.id, moment))
    const limit = isWhole(asked) ? BUNDLE_BOUNDS.usage.limit : shown(asked.limit)
    const rows = await listLatestUsage(ctx.reads, run.id, { before, limit: limit + 1 })
    const page = pageOf(request, reply, { rows, limit, list, place: (row) => [row.sequence] })
    return page.map((row) => usageWire(run.publicId, row))
  })
  implement(app, contract.listToolCalls, async ({ run_id, ...asked }, { projectId }, request, reply) => {
    const run = await requireRun(ctx, projectId, run_id)
    const list = 'strait-tool-calls'
    const after = (await numberPlace(list, asked.cursor, (moment) => toolCallsUpTo(ctx.reads, run.id, moment))) ?? 0
    const found = within(
      await readFirstToolCalls(ctx.reads, run.id, { ...boundsOf(asked, BUNDLE_BOUNDS.toolCalls), after }),
    )
    const page = pageOf(request, reply, { ...found, list, place: (row) => [row.sequence] })
    return page.map((row) => toolCallWire(run.publicId, row))
  })
  implement(app, contract.listOutputs, async ({ run_id, ...asked }, { projectId }, request, reply) => {
    const run = await requireRun(ctx, projectId, run_id)
    const list = 'strait-outputs'
    const after = namePlace(list, asked.cursor) ?? ''
    const found = within(await readOutputs(ctx.reads, run.id, { ...boundsOf(asked, BUNDLE_BOUNDS.outputs), after }))
    const page = pageOf(request, reply, { ...found, list, place: (row) => [row.outputKey] })
    return page.map((row) => outputWire(run.publicId, row))
  })
  implement(app, contract.listState, async ({ run_id, ...asked }, { projectId }, request, reply) => {
    const run = await requireRun(ctx, projectId, run_id)
    return pageOfState(ctx, { request, reply, ...asked }, run)
  })
}

export async function pageOfState(ctx: Ctx, { request, reply, ...asked }: Asked, run: RunRow) {
  const list = 'strait-state'
  const after = namePlace(list, asked.cursor) ?? ''
  const found = within(await readValues(ctx.reads, run.id, { ...boundsOf(asked, BUNDLE_BOUNDS.values), after }))
  const page = pageOf(request, reply, { ...found, list, place: (row) => [row.key] })
  return page.map((row) => stateWire(run.publicId, row))
}

/** Of the whole list as much as is shown at once; a page of it within the same bytes. */
const boundsOf = (asked: Pick<Asked, 'limit' | 'cursor'>, bounds: Bounds): Bounds =>
  isWhole(asked) ? bounds : { ...bounds, limit: shown(asked.limit) }

const within = <Row>({ rows, cut }: Records<Row>) => ({ rows, limit: rows.length, more: cut })
