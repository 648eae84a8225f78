// Runs and their events: reported, listed, and shown as a timeline, to programs and to people.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { implement } from '#http/implement.ts'
import { type RecentRun, readRecentRuns } from '#run-state/read/recent-runs.sql.ts'
import { readTimeline } from '#run-state/read/run-timeline.sql.ts'
import * as contract from './runs-contract.ts'
import { eventWire, report, reportOf } from './runs-report.ts'
import { timelinePage } from './timeline.ts'

export { RUN_ROUTES } from './runs-contract.ts'

export function runRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.postEvent, async (told, { projectId, actor }) => ({
    ok: true,
    event_id: await report(ctx, { projectId, actor }, reportOf(told)),
    run_id: told.run_id,
  }))
  implement(app, contract.listRuns, async ({ limit, offset, q }, { projectId }) => {
    const { total, runs } = await readRecentRuns(ctx.reads, { projectId, prefix: q || undefined, limit, offset })
    return { total, items: runs.map(runWire) }
  })
  implement(app, contract.readRun, async ({ run_id, limit, offset }, { projectId }, request, reply) => {
    const { total, events } = await readTimeline(ctx.reads, { projectId, runId: run_id, limit, offset })
    // A cache in between must not serve one format to clients of the other.
    reply.header('vary', 'Accept')
    if (prefersHtml(request)) return timelinePage({ runId: run_id, total, events, limit, offset })
    return { run_id, total, events: events.map(eventWire) }
  })
}

const runWire = ({ runId, lastAt, lastType, lastStatus, state, eventsCount }: RecentRun) => ({
  run_id: runId,
  last_ts: Math.floor(lastAt.getTime() / 1000),
  // The events of a run may be deleted before it: then its state is all that is left.
  last_type: lastType ?? `run.${state}`,
  last_status: lastStatus,
  events_count: eventsCount,
})

/** Whether Accept weights HTML higher than JSON. Browsers list it first, programs do not list it. */
export function prefersHtml({ headers }: Pick<FastifyRequest, 'headers'>): boolean {
  const weights = new Map<string, number>()
  for (const part of (headers.accept ?? '').toLowerCase().split(',')) {
    const [type = '', ...params] = part.split(';').map((piece) => piece.trim())
    const q = params.find((param) => param.startsWith('q='))
    weights.set(type, q === undefined ? 1 : Number(q.slice(2)) || 0)
  }
  const html = Math.max(weights.get('text/html') ?? 0, weights.get('application/xhtml+xml') ?? 0)
  const json = weights.get('application/json') ?? weights.get('application/*') ?? weights.get('*/*') ?? 0
  return html > json || (html > 0 && html === json && comesFirst(headers.accept ?? ''))
}

const comesFirst = (accept: string): boolean => {
  const [html, json] = ['text/html', 'application/json'].map((type) => accept.toLowerCase().indexOf(type))
  return html! >= 0 && (json === -1 || html! < json!)
}
