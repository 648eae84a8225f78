// What a webhook delivers, and what happens after a delivery that failed.
import { DAY_MS, HOUR_MS } from '#core/durations.ts'
import { transitionOf } from '#core/run.ts'
import type { WebhookFilter } from './webhooks.sql.ts'

/** What a filter asks about an event. */
export type FilteredEvent = {
  type: string
  agentId: string | null
  data: unknown
}

/** What a filter asks about the run of an event. */
export type FilteredRun = { jobId: string | null; jobSlug: string | null; tags: ReadonlyMap<string, string> }

/** Events about webhooks are delivered by none: one that reported its own failures would never come to rest. */
const isAboutWebhooks = (type: string): boolean => type.startsWith('webhook.')

/** Whether the run of an event has to be known to decide about it. */
export const asksAboutRuns = ({ jobs, tags }: WebhookFilter): boolean => jobs.length > 0 || Object.keys(tags).length > 0

export function isWanted(filter: WebhookFilter, event: FilteredEvent, run: FilteredRun | undefined): boolean {
  if (isAboutWebhooks(event.type)) return false
  const { types, agents, states, jobs, tags } = filter
  if (types.length > 0 && !types.some((pattern) => matchesType(pattern, event.type))) return false
  if (agents.length > 0 && !(event.agentId !== null && agents.includes(event.agentId))) return false
  if (states.length > 0) {
    const entered = transitionOf(event.type, event.data)?.to
    if (!entered || !states.includes(entered)) return false
  }
  if (!asksAboutRuns(filter)) return true
  if (!run) return false
  const isJob = (job: string) => job === run.jobSlug || job.toLowerCase() === run.jobId
  if (jobs.length > 0 && !jobs.some(isJob)) return false
  return Object.entries(tags).every(([key, value]) =>
    value === null ? run.tags.has(key) : run.tags.get(key) === value,
  )
}

const matchesType = (pattern: string, type: string): boolean =>
  pattern === '*' || (pattern.endsWith('.*') ? type.startsWith(pattern.slice(0, -1)) : pattern === type)

/** For so long a delivery is tried before the next event has its turn. */
export const RETRY_MS_MAX = DAY_MS
const FIRST_DELAY_MS = 5_000
const DELAY_MS_MAX = HOUR_MS

export type FailedDelivery = {
  /** Failed attempts of this event, this one included. */
  attempt: number
  nowMs: number
  /** When the first attempt of this event failed. */
  eventFailedAtMs: number
  /** Since when nothing was delivered at all. */
  failingSinceMs: number
  disableAfterDays: number
  /** The receiver answered that it is gone for good (410). */
  gone: boolean
  /** What the receiver asked for; it lengthens the delay, within an hour. */
  retryAfterMs?: number | undefined
}

export type AfterDelivery =
  | { kind: 'retry'; delayMs: number }
  | { kind: 'give up' }
  | { kind: 'disable'; reason: 'gone' | 'failing' }

/** `random` is in [0, 1). */
export function afterFailedDelivery(it: FailedDelivery, random: number): AfterDelivery {
  if (it.gone) return { kind: 'disable', reason: 'gone' }
  if (it.nowMs - it.failingSinceMs >= it.disableAfterDays * DAY_MS) return { kind: 'disable', reason: 'failing' }
  if (it.nowMs - it.eventFailedAtMs >= RETRY_MS_MAX) return { kind: 'give up' }
  const backOffMs = Math.min(DELAY_MS_MAX, FIRST_DELAY_MS * 2 ** Math.min(it.attempt - 1, 20))
  // Jitter over half of the delay: webhooks that failed together do not retry together.
  const ownMs = backOffMs * (0.5 + random / 2)
  return { kind: 'retry', delayMs: Math.round(Math.min(DELAY_MS_MAX, Math.max(ownMs, it.retryAfterMs ?? 0))) }
}
