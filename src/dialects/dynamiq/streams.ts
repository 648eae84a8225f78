// A run's events, past and live. The ids of the frames are the sequences of the events.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import type { Ctx } from '#bell/ctx.ts'
import { refuseField } from '#core/error.ts'
import { printJson } from '#core/json/json.ts'
import { implement } from '#http/implement.ts'
import type { Live } from '#live/live.ts'
import { frame, HEARTBEAT, type Wire } from '#live/wire.ts'
import { type RunLogRow, readRunLog } from '#log/read-log.sql.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import * as contract from './contract.ts'
import { fillPage } from './event-fill.ts'
import { eventObject, numbersBefore, ONCE } from './event-wire.ts'

/** Runs whose wire is cached. More streams than that work as well; they only share less. */
const WIRES_MAX = 1_000
/** Bytes of tool inputs and outputs per page; the next page continues. */
const CALLS_BYTES_MAX = 1024 * 1024

type RunWire = Wire<RunLogRow, number> & { knowFirst(sequence: number | undefined): void }

export type OpenStream = (
  request: FastifyRequest,
  reply: FastifyReply,
  it: { run: RunRow; afterSequence: number },
) => Promise<void>

export function dynamiqStreams({ ctx, live }: { ctx: Ctx; live: Live }): OpenStream {
  // Streams of the same run share a wire, and its frames.
  const wires = new LRUCache<string, RunWire>({ max: WIRES_MAX })
  const wireOf = (run: RunRow): RunWire => {
    const wire = wires.get(run.id) ?? makeWire(numbersBefore(run))
    wires.set(run.id, wire)
    return wire
  }
  const fill = {
    name: 'dynamiq',
    rows: (rows: readonly RunLogRow[]) => fillPage(ctx.sql, rows, CALLS_BYTES_MAX),
  }
  return async (request, reply, { run, afterSequence }) => {
    const wire = wireOf(run)
    wire.knowFirst(await findFirst(ctx, run))
    reply.raw.setHeader('x-request-id', request.id)
    live.streamRun(reply.raw, {
      deltas: true,
      wire,
      fill,
      afterSequence: afterSequence === 0 ? 0 : afterSequence + numbersBefore(run),
      projectId: run.projectId,
      run: { runId: run.id, createdAt: run.createdAt, lastSequence: run.lastSequence },
    })
    reply.hijack()
  }
}

export function dynamiqStreamRoutes(app: FastifyInstance, ctx: Ctx, open: OpenStream): void {
  implement(app, contract.streamEvents, async ({ run_id, after_sequence }, { projectId }, request, reply) => {
    const afterSequence = afterOf(request, after_sequence)
    await open(request, reply, { run: await requireRun(ctx, projectId, run_id), afterSequence })
    return undefined
  })
}

/**
 * Shows the first start of a run and no other. A stream that begins after it does not see it, so whoever opens one
 * passes its sequence; when there is none yet, all streams will see it.
 */
function makeWire(before: number): RunWire {
  let first: number | undefined
  return {
    knowFirst(sequence) {
      first ??= sequence
    },
    frame(row) {
      if (row.type === ONCE) {
        first ??= row.sequence!
        if (row.sequence !== first) return ''
      }
      const event = eventObject(row, before)
      return event ? frame(event.sequence, event.type, printJson(event)) : ''
    },
    heartbeat: () => HEARTBEAT,
    // Clients split at blank lines, and expect an event before each.
    opening: '',
  }
}

async function findFirst({ sql }: Ctx, run: RunRow): Promise<number | undefined> {
  const read = { runId: run.id, runCreatedAt: run.createdAt, afterSequence: 0, limit: 1, deltas: false, types: [ONCE] }
  return (await readRunLog(sql, read))?.rows[0]?.sequence ?? undefined
}

/** Last-Event-ID takes precedence: it is what an interrupted client has really seen. */
function afterOf({ headers }: FastifyRequest, afterSequence: number | undefined): number {
  const id = headers['last-event-id']
  if (typeof id !== 'string' || id === '') return afterSequence ?? 0
  if (!/^[1-9]\d{0,14}$/.test(id)) throw refuseField('Last-Event-ID', 'is not a sequence of this stream')
  return Number(id)
}
