// Strait's streams: data-only frames in Strait's format. The ids are the run's sequence, so that a client
// that was cut off can resume; the frame of the end is the last one.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import type { Ctx } from '#bell/ctx.ts'
import { refuseField } from '#core/error.ts'
import { printJson } from '#core/json/json.ts'
import { implement } from '#http/implement.ts'
import type { Live } from '#live/live.ts'
import { oneLine, type Wire } from '#live/wire.ts'
import type { RunLogRow } from '#log/read-log.sql.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { filled } from './run-wire.ts'
import * as contract from './runs-contract.ts'
import { CHUNK, DEFAULT_LEVEL, dataOf, moveOf } from './runs-record-wire.ts'

/** Runs whose wire is cached. More streams than that work as well; they only share less. */
const WIRES_MAX = 1_000

type RunWire = Wire<RunLogRow, number>

export function straitStreamRoutes(app: FastifyInstance, { ctx, live }: { ctx: Ctx; live: Live }): void {
  // A frame names the job, which an event of the log does not: streams of the same run share a wire, and its frames.
  const wires = new LRUCache<string, RunWire>({ max: WIRES_MAX })
  const wireOf = (run: RunRow): RunWire => {
    const known = wires.get(run.id)
    if (known) return known
    const wire = runWire(run.jobId)
    wires.set(run.id, wire)
    return wire
  }

  const open = (request: FastifyRequest, reply: FastifyReply, run: RunRow, stream: Opened) => {
    reply.raw.setHeader('x-request-id', request.id)
    reply.raw.setHeader('x-api-version', 'v1')
    live.streamRun(reply.raw, {
      deltas: true,
      wire: stream.wire,
      afterSequence: afterOf(request, stream.afterSequence),
      projectId: run.projectId,
      run: { runId: run.id, createdAt: run.createdAt, lastSequence: run.lastSequence },
    })
    reply.hijack()
    return undefined
  }
  implement(app, contract.streamRun, async ({ run_id, after_sequence }, { projectId }, request, reply) => {
    const run = await requireRun(ctx, projectId, run_id)
    return open(request, reply, run, { wire: wireOf(run), afterSequence: after_sequence })
  })
  implement(app, contract.streamChunks, async ({ run_id, after_sequence }, { projectId }, request, reply) => {
    const run = await requireRun(ctx, projectId, run_id)
    return open(request, reply, run, { wire: CHUNKS, afterSequence: after_sequence })
  })
}

type Opened = { wire: RunWire; afterSequence: number | undefined }

const frame = (sequence: number | null, data: object): string =>
  `id: ${sequence}\ndata: ${oneLine(printJson(data))}\n\n`
/** Data-only frames: clients split at blank lines and parse what they get. */
const PLAIN = { opening: '', heartbeat: () => ': keepalive\n\n' } as const

const CHUNKS: RunWire = {
  ...PLAIN,
  frame: (row) => (row.type === CHUNK ? frame(row.sequence, chunkOf(row)) : ''),
}

const runWire = (jobId: string | null): RunWire => ({
  ...PLAIN,
  // Model output has its own stream.
  frame: (row) => (row.type === CHUNK ? '' : frame(row.sequence, changeOf(row, jobId) ?? eventOf(row))),
})

function changeOf(row: RunLogRow, jobId: string | null) {
  const move = moveOf(row)
  if (!move) return undefined
  const { error } = row.data?.members() ?? {}
  return filled({
    type: 'status_change',
    run_id: row.runId,
    job_id: jobId,
    project_id: row.projectId,
    ...move,
    error,
    timestamp: row.occurredAt.toISOString(),
  })
}

const eventOf = (row: RunLogRow) => ({
  type: 'event',
  event_type: row.type,
  run_id: row.runId,
  level: row.level ?? DEFAULT_LEVEL,
  message: row.message ?? '',
  data: dataOf(row),
  timestamp: row.occurredAt.toISOString(),
})

const chunkOf = (row: RunLogRow) => {
  const { chunk, stream_id, done } = row.data!.value as { chunk: string; stream_id: string; done: boolean }
  return { type: 'stream_chunk', chunk, stream_id, done, timestamp: row.occurredAt.toISOString() }
}

/** Last-Event-ID takes precedence: it is what an interrupted client has really seen. */
function afterOf({ headers }: FastifyRequest, afterSequence: number | undefined): number {
  const id = headers['last-event-id']
  if (typeof id !== 'string' || id === '') return afterSequence ?? 0
  if (!/^\d{1,15}$/.test(id)) throw refuseField('Last-Event-ID', 'is not a sequence of this stream')
  return Number(id)
}
