import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { getTimeline } from '#contract/runs/timeline.ts'
import type { RunState } from '#core/run.ts'
import { type RunSpan, spansOf } from '#core/spans/spans.ts'
import { readChildStates, readSpanEvents } from '#insight/run-spans.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { implement } from '../../implement.ts'
import { toWire } from '../../wire/words.ts'

const CHILDREN_MAX = 1_000
/** Below this, a response is sent as it is. */
const COMPRESSED_FROM = 8_192

export function timelineRoutes(app: FastifyInstance, ctx: Ctx): void {
  app.register(async (scope) => {
    compressLarge(scope)
    implement(scope, getTimeline, async ({ run_id, after_sequence }, { projectId }) => {
      const run = await requireRun(ctx, projectId, run_id)
      const [read, children] = await Promise.all([
        readSpanEvents(ctx.reads, run, after_sequence),
        readChildStates(ctx.reads, run.id, CHILDREN_MAX),
      ])
      const spans = spansOf(read.events).filter(({ changed }) => changed > after_sequence)
      return {
        run_id: run.publicId,
        status: run.state,
        last_sequence: read.lastSequence,
        has_more: read.hasMore,
        ...inColumns(spans, run.createdAt),
        children: children.map((child) => ({ ...toWire(child), status: child.status as RunState })),
      }
    })
  })
}

function inColumns(spans: readonly RunSpan[], origin: Date) {
  const indexes = new Map<string, number>()
  const indexOf = (text: string): number => {
    const known = indexes.get(text)
    if (known !== undefined) return known
    indexes.set(text, indexes.size)
    return indexes.size - 1
  }
  const optional = (text: string | null): number | null => (text === null ? null : indexOf(text))
  const since = (ms: number): number => Math.round(ms - origin.getTime())
  const columns = {
    kind: spans.map(({ kind }) => kind),
    sequence: spans.map(({ sequence }) => sequence),
    changed: spans.map(({ changed }) => changed),
    parent: spans.map(({ parent }) => parent),
    attempt: spans.map(({ attempt }) => attempt),
    name: spans.map(({ name }) => indexOf(name)),
    status: spans.map(({ status }) => indexOf(status)),
    note: spans.map(({ note }) => optional(note)),
    start_ms: spans.map(({ fromMs }) => since(fromMs)),
    end_ms: spans.map(({ toMs }) => (toMs === null ? null : since(toMs))),
    tokens: spans.map(({ tokens }) => tokens),
    cost_microusd: spans.map(({ costMicrousd }) => costMicrousd),
    ref: spans.map(({ ref }) => optional(ref)),
  }
  return { origin: origin.toISOString(), texts: [...indexes.keys()], spans: columns }
}

const compress = promisify(gzip)

function compressLarge(scope: FastifyInstance): void {
  scope.addHook('onSend', async (request, reply, payload) => {
    if (typeof payload !== 'string' || payload.length < COMPRESSED_FROM) return payload
    reply.header('vary', 'accept-encoding')
    if (!/\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))) return payload
    reply.header('content-encoding', 'gzip').removeHeader('content-length')
    // Quick rather than small: columns are small already.
    return compress(payload, { level: 3 })
  })
}
