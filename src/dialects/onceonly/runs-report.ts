// Events as OnceOnly's clients report and read them. A report that a run has ended ends it here.

import type { Static } from 'typebox'
import type { Ctx } from '#bell/ctx.ts'
import { Refusal } from '#core/error.ts'
import { Json } from '#core/json/json.ts'
import { own } from '#core/own.ts'
import { TOLD_AS } from '#log/client-endings.sql.ts'
import type { LogEvent } from '#log/event-columns.sql.ts'
import { findPosition } from '#run-state/read/run-timeline.sql.ts'
import { appendReport, type Report, type Reporter } from '#runs/report/append-log.ts'
import { type postEvent, REPORT_FIELDS } from './runs-contract.ts'
import { fieldRefusal } from './wording.ts'

type Told = Static<(typeof postEvent)['body']>

/** Unknown fields are stored in the data under this name. */
const MORE = '$more'

export function reportOf(told: Told): Report {
  const more = Object.fromEntries(Object.entries(told).filter(([name]) => !REPORT_FIELDS.has(name)))
  const data = Object.keys(more).length > 0 ? Json.of(told.data ?? {}).with(MORE, more) : told.data
  return {
    runId: told.run_id,
    type: told.type,
    ...(typeof told.ts === 'number' && { occurredAt: new Date(told.ts * 1000) }),
    status: told.status ?? undefined,
    durationMs: told.duration_ms ?? undefined,
    step: told.step ?? undefined,
    tool: told.tool ?? undefined,
    reqId: told.req_id ?? undefined,
    leaseId: told.lease_id ?? undefined,
    agentId: told.agent_id ?? undefined,
    message: told.message ?? undefined,
    ...(data && { data }),
  }
}

const ENDINGS: Readonly<Record<string, string>> = {
  failed: 'run.failed',
  failure: 'run.failed',
  error: 'run.failed',
  timeout: 'run.timed_out',
  timed_out: 'run.timed_out',
  crashed: 'run.crashed',
  cancelled: 'run.canceled',
  canceled: 'run.canceled',
}

/** The state of a run that an event implies, in our words. Statuses are free text, and most mean that all is well. */
export const endingOf = ({ type, status }: { type: string; status?: string | undefined }): string | undefined =>
  type === 'run_finished' ? (own(ENDINGS, status?.toLowerCase() ?? '') ?? 'run.completed') : undefined

/** Appends an event of a run that clients execute, and returns its position. Ends the run if the event says so. */
export async function report(ctx: Ctx, reporter: Reporter, event: Report): Promise<number> {
  const reported = await appendReport(ctx, reporter, event)
  if (reported instanceof Refusal) {
    throw reported.code === 'reserved_type'
      ? fieldRefusal(['body', 'type'], 'is a type that is written here only', event.type)
      : reported
  }
  const ending = endingOf(event)
  if (ending) {
    // A run that has ended stays so, and one that is executed here ends by itself: either refusal is expected.
    await appendReport(ctx, reporter, {
      runId: event.runId,
      type: ending,
      causationId: reported.id ?? undefined,
      message: event.message,
      data: { [TOLD_AS]: event.type },
    })
  }
  // An ending in our own words is written by the run's move, which returns only its number in the run.
  return reported.position ?? findPosition(ctx.sql, reporter.projectId, event.runId!, reported.sequence!)
}

/** Fields that an event does not have are omitted. */
export function eventWire(event: LogEvent) {
  const more = event.data?.members()[MORE]
  const hasMore = more instanceof Json && more.isObject
  const data = hasMore ? event.data!.without(MORE) : event.data
  const shown = data?.text === '{}' && hasMore ? undefined : data
  return {
    ...(hasMore && more.members()),
    id: event.position,
    run_id: event.runId!,
    ts: Math.floor(event.occurredAt.getTime() / 1000),
    type: event.type,
    ...filled({
      status: event.status,
      duration_ms: event.durationMs,
      step: event.step,
      tool: event.tool,
      req_id: event.reqId,
      lease_id: event.leaseId,
      agent_id: event.agentId,
      message: event.message,
      data: shown,
    }),
  }
}

type Filled<T> = { [K in keyof T]?: Exclude<T[K], null | undefined> }
const filled = <T extends object>(fields: T): Filled<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined)) as Filled<T>
