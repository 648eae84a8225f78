// Carries one webhook: reads the log from where it stands and delivers what its filter wants, one event after the other.
// An event that fails is tried again until it is given up, and nothing after it goes first.
//
// Progress is saved after at most so many deliveries, or so much time: a node that dies repeats that many, and skips
// none. The token of the lease fences each save, so that a node which was away for longer than its lease moves nothing.
import type { Ctx } from '#bell/ctx.ts'
import { SYSTEM } from '#core/event.ts'
import type { NewEvent } from '#log/new-event.sql.ts'
import { record } from '#log/record.ts'
import type { TailCursor, TailEvent } from '#log/tail.sql.ts'
import { type CarriedWebhook, type NewDelivery, type Progress, saveProgress } from './carriers.sql.ts'
import { cloudEventOf, cloudEventText, eventJsonOf } from './cloud-event.ts'
import { type Attempt, deliver } from './deliver.ts'
import { trimDeliveries } from './deliveries.sql.ts'
import { type ReadPage, type SharedPage, tailPagesOf } from './tail-pages.ts'
import { afterFailedDelivery, asksAboutRuns, isWanted } from './webhook-rules.ts'
import type { DisabledReason, WebhookFilter } from './webhooks.sql.ts'

const UNSAVED_MAX = 100
const UNSAVED_MS_MAX = 250
/** A webhook that wants nothing of what it reads saves its place this often. */
const IDLE_SAVE_MS = 10_000
/** At least so long between two looks at the end of the log. */
const REST_MS = 25
const POLL_MS = 2_000
/** An open transaction holds events back, and nobody rings when it ends. */
const HELD_MS = 100
const TROUBLE_MS = 1_000
/** Deliveries kept of each webhook. */
export const DELIVERIES_MAX = 1_000
const TRIM_EVERY = 200

export type Carrying = {
  webhook: CarriedWebhook
  /** Whether the lease still holds, as far as this node can tell. */
  isHeld: () => boolean
  signal: AbortSignal
}

type Standing = Pick<Progress, 'attempts' | 'eventFailedAtMs' | 'failingSinceMs' | 'lastError' | 'delivered'> & {
  cursor: TailCursor & { readAt: Date }
  savedAtMs: number
  savedPosition: number
  unsaved: NewDelivery[]
  untrimmed: number
}

/** Until it is aborted, the lease is lost, or somebody changes the webhook: then its new settings have to be read. */
export async function carryWebhook(ctx: Ctx, it: Carrying): Promise<void> {
  const { read, leave } = tailPagesOf(ctx).join(it.webhook.projectId)
  try {
    await carryOn(ctx, it, read)
  } finally {
    leave()
  }
}

async function carryOn(ctx: Ctx, it: Carrying, read: ReadPage): Promise<void> {
  const { webhook, signal } = it
  const standing = standingOf(webhook)
  await waitFor(ctx, (webhook.nextAttemptAt?.getTime() ?? 0) - ctx.nowMs(), signal)
  let goesOn = true
  let isBehind = true
  while (goesOn && !signal.aborted) {
    const listening = ctx.listen(['tail'])
    try {
      const page = await read(standing.cursor, isBehind)
      isBehind = page.more
      goesOn = await deliverPage(ctx, it, { standing, page })
      if (!goesOn || page.more) continue
      await waitFor(ctx, REST_MS, signal)
      await listening.rung(page.held ? HELD_MS : POLL_MS, signal)
    } catch (error) {
      ctx.log.error({ err: error, webhook: webhook.id }, 'a webhook could not be carried on; it will be retried')
      await waitFor(ctx, TROUBLE_MS, signal)
    } finally {
      listening.close()
    }
  }
  if (standing.unsaved.length > 0) await save(ctx, it, { standing, nextAttemptInMs: null })
}

const standingOf = (webhook: CarriedWebhook): Standing => ({
  cursor: { xid: webhook.xid, position: webhook.position, readAt: webhook.readAt },
  attempts: webhook.attempts,
  eventFailedAtMs: webhook.eventFailedAt?.getTime() ?? null,
  failingSinceMs: webhook.failingSince?.getTime() ?? null,
  lastError: webhook.lastError,
  delivered: false,
  savedAtMs: performance.now(),
  savedPosition: webhook.position,
  unsaved: [],
  untrimmed: TRIM_EVERY,
})

type OnPage = { standing: Standing; page: SharedPage }

/** False when the webhook is not this node's any more, or has other settings by now. */
async function deliverPage(ctx: Ctx, it: Carrying, { standing, page }: OnPage): Promise<boolean> {
  for (const event of await wantedOf(it.webhook.filter, page)) {
    if (!(await deliverInTurn(ctx, it, { standing, event }))) return false
    standing.cursor = { xid: event.xid, position: event.position, readAt: event.recordedAt }
    const sinceMs = performance.now() - standing.savedAtMs
    if (standing.unsaved.length < UNSAVED_MAX && sinceMs < UNSAVED_MS_MAX) continue
    if (!(await save(ctx, it, { standing, nextAttemptInMs: null }))) return false
  }
  standing.cursor = { ...page.next, readAt: page.next.readAt ?? standing.cursor.readAt }
  const isIdle = standing.unsaved.length === 0
  const moved = standing.cursor.position !== standing.savedPosition
  if (isIdle && !(moved && performance.now() - standing.savedAtMs > IDLE_SAVE_MS)) return true
  return save(ctx, it, { standing, nextAttemptInMs: null })
}

async function wantedOf(filter: WebhookFilter, page: SharedPage): Promise<TailEvent[]> {
  if (!asksAboutRuns(filter)) return page.events.filter((event) => isWanted(filter, event, undefined))
  const runs = await page.runs()
  return page.events.filter((event) =>
    isWanted(filter, event, event.runUuid === null ? undefined : runs.get(event.runUuid)),
  )
}

type OnEvent = { standing: Standing; event: TailEvent }

/** Tries until it is delivered or given up. */
async function deliverInTurn(ctx: Ctx, it: Carrying, { standing, event }: OnEvent): Promise<boolean> {
  const message = {
    id: event.id,
    type: event.type,
    event: { id: event.id, position: event.position },
    body: cloudEventText(cloudEventOf(event, eventJsonOf(ctx))),
  }
  for (;;) {
    if (it.signal.aborted || !it.isHeld()) return false
    const attempt = await deliver(ctx, it.webhook, { message, attempt: standing.attempts + 1, signal: it.signal })
    if (attempt.outcome === 'aborted') return false
    standing.unsaved.push(attempt.delivery)
    if (attempt.outcome === 'delivered') {
      Object.assign(standing, {
        attempts: 0,
        eventFailedAtMs: null,
        failingSinceMs: null,
        lastError: null,
        delivered: true,
      } satisfies Partial<Standing>)
      return true
    }
    const next = await noteFailure(ctx, it, { standing, attempt, event })
    if (next === 'stop') return false
    if (next === 'give up') return true
    await waitFor(ctx, next.delayMs, it.signal)
  }
}

type OnFailure = OnEvent & { attempt: Attempt }

async function noteFailure(
  ctx: Ctx,
  it: Carrying,
  { standing, attempt, event }: OnFailure,
): Promise<'stop' | 'give up' | { delayMs: number }> {
  const nowMs = ctx.nowMs()
  standing.attempts++
  standing.eventFailedAtMs ??= nowMs
  standing.failingSinceMs ??= nowMs
  standing.lastError = attempt.delivery.error
  const { webhook } = it
  const after = afterFailedDelivery(
    {
      attempt: standing.attempts,
      nowMs,
      eventFailedAtMs: standing.eventFailedAtMs,
      failingSinceMs: standing.failingSinceMs,
      disableAfterDays: webhook.disableAfterDays,
      gone: attempt.gone,
      retryAfterMs: attempt.retryAfterMs,
    },
    ctx.random(),
  )
  if (after.kind === 'retry') {
    const saved = await save(ctx, it, { standing, nextAttemptInMs: after.delayMs })
    return saved ? { delayMs: after.delayMs } : 'stop'
  }
  const said = { webhook, error: attempt.delivery.error }
  if (after.kind === 'disable') {
    const told = eventOf(said, 'webhook.disabled', { reason: after.reason })
    await save(ctx, it, { standing, nextAttemptInMs: null, disabled: after.reason, told })
    return 'stop'
  }
  const told = eventOf(said, 'webhook.delivery_failed', { event_id: event.id, event_type: event.type })
  // The next event has all of the time again; that nothing was delivered stays true.
  const { attempts } = standing
  attempt.delivery.outcome = 'given_up'
  const passed: Standing = {
    ...standing,
    attempts: 0,
    eventFailedAtMs: null,
    cursor: { xid: event.xid, position: event.position, readAt: event.recordedAt },
  }
  // Passed once that is saved, with the event that reports it: if saving fails, the delivery is tried once more.
  const saved = await save(ctx, it, {
    standing: passed,
    nextAttemptInMs: null,
    told: { ...told, data: { ...(told.data as object), attempts } },
  })
  Object.assign(standing, passed)
  return saved ? 'give up' : 'stop'
}

const eventOf = (
  { webhook, error }: { webhook: CarriedWebhook; error: string | null },
  type: string,
  data: object,
): NewEvent => ({
  projectId: webhook.projectId,
  type,
  actor: SYSTEM,
  resourceType: 'webhook',
  resourceId: webhook.id,
  message: error ?? undefined,
  data: { name: webhook.name, ...data },
})

type Saving = { standing: Standing; nextAttemptInMs: number | null; disabled?: DisabledReason; told?: NewEvent }

async function save(ctx: Ctx, it: Carrying, { standing, nextAttemptInMs, disabled, told }: Saving): Promise<boolean> {
  const { cursor, unsaved: deliveries, attempts, eventFailedAtMs, failingSinceMs, lastError, delivered } = standing
  const failures = { attempts, eventFailedAtMs, failingSinceMs, lastError }
  const progress = { ...cursor, ...failures, nextAttemptInMs, delivered, disabled: disabled ?? null }
  const saved = told
    ? await record(ctx, async (tx) => {
        const result = await saveProgress(tx, it.webhook, { progress, deliveries })
        return { result, events: result ? [told] : [] }
      })
    : await saveProgress(ctx.sql, it.webhook, { progress, deliveries })
  standing.untrimmed += deliveries.length
  standing.unsaved = []
  standing.delivered = false
  standing.savedAtMs = performance.now()
  standing.savedPosition = cursor.position
  if (standing.untrimmed > TRIM_EVERY) {
    standing.untrimmed = 0
    await trimDeliveries(ctx.sql, it.webhook.id, DELIVERIES_MAX)
  }
  return saved
}

async function waitFor(ctx: Ctx, ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0) return
  const listening = ctx.listen([])
  await listening.rung(ms, signal).finally(listening.close)
}
