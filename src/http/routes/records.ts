import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/runs/records.ts'
import * as values from '#contract/runs/values.ts'
import { refuse } from '#core/error.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import {
  findCheckpoint,
  findValue,
  listCheckpoints,
  listOutputs,
  listToolCalls,
  listValues,
} from '#runs/attempts/attempt-writes.sql.ts'
import { implement } from '../implement.ts'
import { decodeCursor, encodeCursor, INT, pageOf, TEXT, WHOLE } from '../wire/cursor.ts'
import { toWire } from '../wire/words.ts'

export function recordRoutes(app: FastifyInstance, ctx: Ctx): void {
  const found = ({ projectId }: { projectId: string }, runId: string) => requireRun(ctx, projectId, runId)

  implement(app, contract.listCheckpoints, async ({ run_id, cursor, limit }, caller) => {
    const run = await found(caller, run_id)
    const before = decodeCursor('checkpoints', cursor, [INT])
    const rows = await listCheckpoints(ctx.sql, run.id, { before: before && Number(before[0]), limit: limit + 1 })
    return pageOf(rows, limit, {
      wire: ({ state: _, ...row }) => ({ run_id: run.publicId, ...toWire(row) }),
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
    const rows = await listToolCalls(ctx.sql, run.id, sequencePage('tool-calls', cursor, limit))
    return pageOf(rows, limit, {
      wire: (row) => ({ run_id: run.publicId, ...toWire(row) }),
      cursor: (row) => encodeCursor('tool-calls', [row.sequence]),
    })
  })
  implement(app, contract.listOutputs, async ({ run_id, cursor, limit }, caller) => {
    const run = await found(caller, run_id)
    const rows = await listOutputs(ctx.sql, run.id, keyPage('outputs', cursor, limit))
    return pageOf(rows, limit, {
      wire: (row) => ({ run_id: run.publicId, ...toWire(row) }),
      cursor: (row) => encodeCursor('outputs', [row.outputKey]),
    })
  })
  implement(app, values.listState, async ({ run_id, cursor, limit }, caller) => {
    const run = await found(caller, run_id)
    const rows = await listValues(ctx.sql, run.id, keyPage('state', cursor, limit))
    return pageOf(rows, limit, {
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

const sequencePage = (list: string, cursor: string | undefined, limit: number) => ({
  after: Number(decodeCursor(list, cursor, [WHOLE])?.[0] ?? 0),
  limit: limit + 1,
})

const keyPage = (list: string, cursor: string | undefined, limit: number) => ({
  after: decodeCursor(list, cursor, [TEXT])?.[0] ?? '',
  limit: limit + 1,
})
