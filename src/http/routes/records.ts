import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/runs/records.ts'
import * as values from '#contract/runs/values.ts'
import { refuse } from '#core/error.ts'
import { readFirstToolCalls, readOutputs, readValues } from '#insight/read-records.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { findCheckpoint, findValue, listCheckpoints } from '#runs/attempts/attempt-writes.sql.ts'
import { implement } from '../implement.ts'
import { decodeCursor, encodeCursor, INT, pageOf, TEXT, WHOLE } from '../wire/cursor.ts'
import { toWire } from '../wire/words.ts'

/** What the rows of a page hold; beyond it the page ends early. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024

export function recordRoutes(app: FastifyInstance, ctx: Ctx): void {
  const found = ({ projectId }: { projectId: string }, runId: string) => requireRun(ctx, projectId, runId)

  implement(app, contract.listCheckpoints, async ({ run_id, cursor, limit }, caller) => {
    const run = await found(caller, run_id)
    const before = decodeCursor('checkpoints', cursor, [INT])
    const rows = await listCheckpoints(ctx.sql, run.id, { before: before && Number(before[0]), limit: limit + 1 })
    return pageOf(rows, limit, {
      wire: (row) => ({ run_id: run.publicId, ...toWire(row) }),
      cursor: (row) => encodeCursor('checkpoints', [row.number]),
    })
  })
  implement(app, contract.getCheckpoint, async ({ run_id, number }, caller) => {
    const run = await found(caller, run_id)
    const row = await findCheckpoint(ctx.sql, run.id, number)
    if (!row) throw refuse('checkpoint_not_found', { runId: run_id, number })
    return { run_id: run.publicId, ...toWire(row) }
  })
  implement(app, contract.listToolCalls, async ({ run_id, cursor, limit }, caller) => {
    const run = await found(caller, run_id)
    const after = decodeCursor('tool-calls', cursor, [WHOLE])?.[0]
    const page = { limit, bytesMax: PAGE_BYTES_MAX, after: after === undefined ? undefined : Number(after) }
    const { rows, cut } = await readFirstToolCalls(ctx.sql, run.id, page)
    return pageOf(rows, limit, {
      more: cut,
      wire: (row) => ({ run_id: run.publicId, ...toWire(row) }),
      cursor: (row) => encodeCursor('tool-calls', [row.sequence]),
    })
  })
  implement(app, contract.listOutputs, async ({ run_id, cursor, limit }, caller) => {
    const run = await found(caller, run_id)
    const { rows, cut } = await readOutputs(ctx.sql, run.id, keyPage('outputs', cursor, limit))
    return pageOf(rows, limit, {
      more: cut,
      wire: (row) => ({ run_id: run.publicId, ...toWire(row) }),
      cursor: (row) => encodeCursor('outputs', [row.outputKey]),
    })
  })
  implement(app, values.listState, async ({ run_id, cursor, limit }, caller) => {
    const run = await found(caller, run_id)
    const { rows, cut } = await readValues(ctx.sql, run.id, keyPage('state', cursor, limit))
    return pageOf(rows, limit, {
      more: cut,
      wire: (row) => ({ run_id: run.publicId, ...toWire(row) }),
      cursor: (row) => encodeCursor('state', [row.key]),
    })
  })
  implement(app, values.getState, async ({ run_id, key }, caller) => {
    const run = await found(caller, run_id)
    const row = await findValue(ctx.sql, run.id, key)
    if (!row) throw refuse('value_not_found', { key })
    return { run_id: run.publicId, ...toWire(row) }
  })
}

const keyPage = (list: string, cursor: string | undefined, limit: number) => ({
  after: decodeCursor(list, cursor, [TEXT])?.[0],
  limit,
  bytesMax: PAGE_BYTES_MAX,
})
