import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/events.ts'
import { refuse, refuseField } from '#core/error.ts'
import { printJson } from '#core/json/json.ts'
import { agUiWire } from '#live/ag-ui/wire.ts'
import type { Live } from '#live/live.ts'
import { frame, HEARTBEAT, runWire as runFrames, tailCursorOf, tailWire, type Wire } from '#live/wire.ts'
import type { Said } from '#log/lists/list-events.sql.ts'
import type { RunLogRow } from '#log/read-log.sql.ts'
import { readTailEnd, type TailEvent } from '#log/tail.sql.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { implement } from '../implement.ts'
import { eventWire } from '../wire/event-wire.ts'

export type StreamParts = { ctx: Ctx; live: Live }

const json = (row: Parameters<typeof eventWire>[0]): string => printJson(eventWire(row))

// One instance of each for all clients: streams with the same wire share their frames.
const ALL = runFrames(json)
const CHUNKS: Wire<RunLogRow, number> = {
  frame: (row) => (row.type === 'stream.chunk' ? frame(row.sequence ?? 0, row.type, printJson(row.data)) : ''),
  heartbeat: () => HEARTBEAT,
}

export function streamRoutes(app: FastifyInstance, { ctx, live }: StreamParts): void {
  const open = (
    request: FastifyRequest,
    reply: FastifyReply,
    run: RunRow,
    stream: Omit<Parameters<Live['streamRun']>[1], 'run' | 'projectId'>,
  ) => {
    reply.raw.setHeader('x-request-id', request.id)
    live.streamRun(reply.raw, {
      ...stream,
      projectId: run.projectId,
      run: { runId: run.id, createdAt: run.createdAt, lastSequence: run.lastSequence },
    })
    reply.hijack()
  }
  implement(
    app,
    contract.streamRun,
    async ({ run_id, after_sequence, deltas, type, format }, { projectId }, request, reply) => {
      const run = await requireRun(ctx, projectId, run_id)
      if (format === 'ag-ui') {
        if (type) throw refuseField('type', 'cannot be combined with format=ag-ui')
        const wire = agUiWire(run.publicId, Math.min(afterOf(request, after_sequence), run.lastSequence))
        open(request, reply, run, { deltas: true, afterSequence: 0, wire })
        return undefined
      }
      open(request, reply, run, {
        deltas,
        afterSequence: afterOf(request, after_sequence),
        wire: type ? ofTypes(type) : ALL,
      })
      return undefined
    },
  )
  implement(app, contract.streamRunChunks, async ({ run_id, after_sequence }, { projectId }, request, reply) => {
    const run = await requireRun(ctx, projectId, run_id)
    open(request, reply, run, { deltas: true, afterSequence: afterOf(request, after_sequence), wire: CHUNKS })
    return undefined
  })
  implement(
    app,
    contract.streamEvents,
    async ({ type, resource_type, agent_id, after, ...said }, { projectId }, request, reply) => {
      const last = lastEventId(request) ?? after
      const from = last === undefined ? await readTailEnd(ctx.sql) : tailCursorOf(last)
      if (!from) throw refuse('invalid_cursor', {})
      const [types, resourceTypes] = [type && new Set<string>(type), resource_type && new Set<string>(resource_type)]
      const wire = tailWire(
        json,
        (event) =>
          (!types || types.has(event.type)) &&
          (!resourceTypes || resourceTypes.has(event.resourceType ?? '')) &&
          (agent_id === undefined || event.agentId === agent_id) &&
          says(event, said),
      )
      reply.raw.setHeader('x-request-id', request.id)
      live.streamTail(reply.raw, { projectId, after: from, wire })
      reply.hijack()
      return undefined
    },
  )
}

/** What a list with the same filters would find. */
function says(event: TailEvent, { text, ...exactly }: Said): boolean {
  for (const name of ['level', 'status', 'tool', 'step'] as const)
    if (exactly[name] !== undefined && event[name] !== exactly[name]) return false
  return text === undefined || (event.message ?? '').toLowerCase().includes(text.toLowerCase())
}

function lastEventId({ headers }: FastifyRequest): string | undefined {
  const id = headers['last-event-id']
  return typeof id === 'string' && id !== '' ? id : undefined
}

/** Last-Event-ID takes precedence: it is what an interrupted client has really seen. */
function afterOf(request: FastifyRequest, afterSequence: number | undefined): number {
  const id = lastEventId(request)
  if (id === undefined) return afterSequence ?? 0
  if (!/^\d{1,15}$/.test(id)) throw refuseField('Last-Event-ID', 'is not a sequence of this stream')
  return Number(id)
}

/** A filter is part of the subscription: ids are still the sequence, so a resume works. */
function ofTypes(types: readonly string[]): Wire<RunLogRow, number> {
  const wanted = new Set(types)
  return { frame: (row) => (wanted.has(row.type) ? ALL.frame(row) : ''), heartbeat: ALL.heartbeat }
}
