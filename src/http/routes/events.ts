import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import type { EventInput } from '#contract/event.ts'
import * as contract from '#contract/events.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { ActorType } from '#core/event.ts'
import { countByActor, countEvents } from '#log/counts/count-events.sql.ts'
import { findChain, findEvent } from '#log/find-event.sql.ts'
import type { EventFilter } from '#log/lists/event-filter.sql.ts'
import type { Said } from '#log/lists/list-events.sql.ts'
import { findEvents, listEvents } from '#log/lists/list-events.ts'
import { outcomesOf } from '#log/outcomes.ts'
import { readRunLog } from '#log/read-log.sql.ts'
import { findResources } from '#log/resources.sql.ts'
import { normalizeId } from '#postgres/id.ts'
import { instantText } from '#postgres/instant.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { appendReport, appendReports, type Report, type Reporter } from '#runs/report/append-log.ts'
import { implement } from '../implement.ts'
import type { Checked } from '../input/items.ts'
import { type itemProblem, itemProblemOf } from '../problems.ts'
import { decodeCursor, encodeCursor, pageOf, TIME, WHOLE } from '../wire/cursor.ts'
import { eventWire } from '../wire/event-wire.ts'
import { fromWire } from '../wire/words.ts'

export function eventRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.appendEvents, async ({ events }, { projectId, actor }, request) => {
    const reporter = { projectId, actor }
    if (events.one) {
      const reported = await appendReport(ctx, reporter, reportOf(events.one))
      if (reported instanceof Error) throw reported
      const { id, position, sequence, runId } = reported
      return { status: 201, body: { id, position, sequence, run_id: runId } } as const
    }
    const results: Result[] = []
    // A page of lines at a time: memory is bounded however long the stream is.
    for await (const page of events.pages!) results.push(...(await appendPage(ctx, reporter, page, request)))
    const duplicates = results.filter((it) => it.duplicate).length
    const refused = results.filter((it) => it.error).length
    return {
      status: 200,
      body: { results, total: results.length, appended: results.length - duplicates - refused, duplicates, refused },
    } as const
  })

  implement(app, contract.listEvents, async ({ cursor, limit, order, type, ...rest }, { projectId }) => {
    const list = `events-${order}`
    const after = decodeCursor(list, cursor, [TIME, WHOLE])
    const asked = {
      projectId,
      types: type,
      ...(await aboutWhat(ctx, projectId, rest)),
      actorType: rest.actor_type,
      actorId: rest.actor_id,
      correlationId:
        rest.correlation_id === undefined ? undefined : await findChain(ctx.reads, projectId, rest.correlation_id),
      agentId: rest.agent_id,
      occurredFrom: dateOf(rest.occurred_from),
      occurredTo: dateOf(rest.occurred_to),
      order: order === 'asc' ? ('oldest first' as const) : ('newest first' as const),
      after: after && { occurredAt: new Date(after[0]!), position: Number(after[1]) },
    }
    const cursorAt = (place: { occurredAt: Date; position: number }) =>
      encodeCursor(list, [instantText(place.occurredAt), place.position])
    const said = saidIn(rest)
    if (said) {
      const { rows, next } = await findEvents(ctx.reads, { ...asked, limit, said })
      return { data: rows.map(eventWire), next_cursor: next ? cursorAt(next) : null, has_more: next !== undefined }
    }
    const rows = await listEvents(ctx.reads, { ...asked, limit: limit + 1 })
    return pageOf(rows, limit, { wire: eventWire, cursor: cursorAt })
  })

  implement(app, contract.getEvent, async ({ event_id }, { projectId }) => {
    const row = await findEvent(ctx.reads, projectId, event_id)
    if (!row) throw refuse('event_not_found', { eventId: event_id })
    return eventWire(row)
  })

  implement(
    app,
    contract.listRunEvents,
    async ({ run_id, after_sequence, level, type, cursor, limit }, { projectId }) => {
      const run = await requireRun(ctx, projectId, run_id)
      const after = decodeCursor('run-events', cursor, [WHOLE])
      const page = await readRunLog(ctx.reads, {
        runId: run.id,
        runCreatedAt: run.createdAt,
        afterSequence: after ? Number(after[0]) : after_sequence,
        limit,
        deltas: false,
        types: type,
        level,
      })
      const rows = page?.rows ?? []
      const more = page?.more ?? false
      return {
        data: rows.map(eventWire),
        next_cursor: more ? encodeCursor('run-events', [rows.at(-1)!.sequence ?? 0]) : null,
        has_more: more,
      }
    },
  )
}

export function eventCountRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.aggregateEvents, async ({ occurred_from, occurred_to }, { projectId }) => {
    const counts = await countEvents(ctx.reads, { projectId, from: dateOf(occurred_from), to: dateOf(occurred_to) })
    return {
      occurred_from: occurred_from ?? null,
      occurred_to: occurred_to ?? null,
      total: counts.total,
      by_type: counts.byType,
      by_resource_type: counts.byResourceType,
      by_actor_type: counts.byActorType,
    }
  })

  implement(app, contract.listActors, async ({ occurred_from, occurred_to, limit }, { projectId }) => {
    const rows = await countByActor(
      ctx.reads,
      { projectId, from: dateOf(occurred_from), to: dateOf(occurred_to) },
      limit,
      outcomesOf(ctx),
    )
    return {
      data: rows.map(({ actorType, actorId, total, successes, failures }) => ({
        actor_type: actorType as ActorType,
        actor_id: actorId,
        count: total,
        successes,
        failures,
      })),
    }
  })
}

type Asked = { [Name in 'run_id' | 'resource_type' | 'resource_id']?: string | undefined }
type About = Pick<EventFilter, 'runId' | 'resource' | 'things'>

/** A run, and a resource by type and id, which may be a run as well; our ids may be sent in upper case. */
async function aboutWhat(
  ctx: Ctx,
  projectId: string,
  { run_id, resource_type: type, resource_id: id }: Asked,
): Promise<About> {
  if (type === undefined && id !== undefined) throw refuseField('resource_type', 'is required with resource_id')
  const named = [run_id, type === 'run' ? id : undefined].filter((name) => name !== undefined)
  const [run, other = run] = await Promise.all(named.map((name) => requireRun(ctx, projectId, name)))
  // An event is of one run.
  if (run?.id !== other?.id) return { things: [] }
  const ofRun = run && { runId: run.id }
  if (type === undefined) return { ...ofRun }
  // Events of a run are found through their run.
  if (type === 'run' || id === undefined) return { ...ofRun, resource: { types: [type] } }
  const uuid = normalizeId(id)
  if (uuid === id) return { ...ofRun, resource: { types: [type], id } }
  return { ...ofRun, things: (await findResources(ctx.reads, projectId, uuid)).filter((thing) => thing.type === type) }
}

type Result = {
  index: number
  id?: string | null
  position?: number | null
  sequence?: number | null
  duplicate?: boolean
  error?: ReturnType<typeof itemProblem>
}

async function appendPage(
  ctx: Ctx,
  reporter: Reporter,
  page: readonly Checked<EventInput>[],
  request: FastifyRequest,
): Promise<Result[]> {
  const good = page.flatMap((item) => (item.problem ? [] : [item]))
  const reported = await appendReports(
    ctx,
    reporter,
    good.map((item) => reportOf(item.value)),
  )
  const answers = new Map(good.map((item, at) => [item.index, reported[at]!]))
  return page.map(({ index, problem }): Result => {
    const answer = problem ?? answers.get(index)!
    if (answer instanceof Error) return { index, error: itemProblemOf(answer, request) }
    const { id, position, sequence, duplicate } = answer
    return { index, id, position, sequence, ...(duplicate && { duplicate }) }
  })
}

function reportOf(input: EventInput): Report {
  const { occurred_at, ...rest } = input
  return {
    ...(fromWire(rest) as Report),
    ...(input.id !== undefined && { idGiven: true }),
    ...(occurred_at !== undefined && { occurredAt: new Date(occurred_at) }),
  }
}

/** Filters that no index knows; undefined when none was asked for. */
function saidIn({ level, status, tool, step, text }: Said): Said | undefined {
  const said = { level, status, tool, step, text }
  return Object.values(said).some((value) => value !== undefined) ? said : undefined
}

const dateOf = (text: string | undefined): Date | undefined => (text === undefined ? undefined : new Date(text))
