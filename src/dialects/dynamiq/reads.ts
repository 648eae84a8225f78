// Runs and their events, one by one and in numbered pages.
import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { implement } from '#http/implement.ts'
import { countNumberedEvents, listNumberedEvents, type NumberedEvents } from '#log/numbered-events.sql.ts'
import { countNumberedRuns, listNumberedRuns, type NumberedRuns } from '#run-state/read/numbered-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { findNamedApp } from './app.ts'
import * as contract from './contract.ts'
import { fillRows } from './event-fill.ts'
import { eventObject, numbersBefore, ONCE, SHOWN } from './event-wire.ts'
import { isDescending, offsetOf, pagination } from './pages.ts'
import { standingOf } from './run-wire.ts'
import { showRun, showRuns } from './show.ts'

/** Events of a run are counted up to this. */
const EVENTS_MAX = 100_000
/** All of them are the order of the log; `started_at` is Dynamiq's name. */
const EVENT_SORT = ['sequence', 'timestamp', 'started_at']
/** Bytes of tool inputs and outputs shown per page. */
const CALLS_BYTES_MAX = 8 * 1024 * 1024

export function dynamiqReadRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listRuns, async ({ user_id, session_id, status, sort, ...asked }, { projectId }, request) => {
    const named = await findNamedApp(ctx, request, projectId)
    const list: NumberedRuns = {
      projectId,
      standing: status?.length ? standingOf(status) : undefined,
      metadata: Object.entries({ session_id, user_id }).flatMap(([key, value]): [string, string][] =>
        value === undefined ? [] : [[key, value]],
      ),
      jobId: named?.id,
      order: isDescending(sort, ['started_at'], true) ? 'newest' : 'oldest',
      limit: asked.page_size,
      offset: 0,
    }
    const total = await countNumberedRuns(ctx.reads, list)
    const offset = offsetOf(asked, total)
    const rows = offset === undefined ? [] : await listNumberedRuns(ctx.reads, { ...list, offset })
    return { data: await showRuns(ctx, rows), pagination: pagination(asked, total) }
  })

  implement(app, contract.getRun, async ({ run_id }, { projectId }) => ({
    data: await showRun(ctx, await requireRun(ctx, projectId, run_id)),
  }))

  implement(app, contract.listEvents, async ({ run_id, sort, ...asked }, { projectId }) => {
    const run = await requireRun(ctx, projectId, run_id)
    const list: NumberedEvents = {
      run,
      types: SHOWN,
      once: ONCE,
      order: isDescending(sort, EVENT_SORT, false) ? 'newest' : 'oldest',
      limit: asked.page_size,
      offset: 0,
    }
    const total = await countNumberedEvents(ctx.reads, list, EVENTS_MAX)
    const offset = offsetOf(asked, total)
    const found = offset === undefined ? [] : await listNumberedEvents(ctx.reads, { ...list, offset })
    const { rows } = await fillRows(ctx.reads, found, CALLS_BYTES_MAX)
    const before = numbersBefore(run)
    return { data: rows.flatMap((row) => eventObject(row, before) ?? []), pagination: pagination(asked, total) }
  })
}
