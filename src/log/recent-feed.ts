// The recent feed of a project: what it was told no about, and what its agents did lately. It is a view of the log,
// with a bound of its own; Redis, where there is one, keeps the last answer for those who ask again and again.

import type { Ctx } from '#bell/ctx.ts'
import { part } from '#bell/part.ts'
import { DAY_MS } from '#core/durations.ts'
import { appendTogether } from './append-event.ts'
import type { NewEvent } from './new-event.sql.ts'
import { aboutOf, EVENT_OF, FEED_MAX, type FeedItem, type FeedType, KEPT_DAYS, readFeed } from './read-feed.sql.ts'
import { noCache, type RecentCache } from './recent-feed-cache.ts'

/** While there is much to write, each write waits this long for more. */
const REST_MS = 1_000
/** Projects whose items wait to be written at once; beyond it the feed, which is no record, goes without. */
const PROJECTS_MAX = 1_000
const EVENTS_MAX = 1_000

export type NewFeedItem = {
  type: FeedType
  key?: string
  leaseId?: string
  meta?: Record<string, unknown>
  /** When it happened, where that is not now. */
  at?: Date
}
export type RecentFeed = {
  /** Newest first, 200 at most. */
  read: (projectId: string) => Promise<FeedItem[]>
  /** Takes an item; it is in the log a moment later. */
  write: (projectId: string, item: NewFeedItem) => void
  /** To be told after the commit of an event that is in the feed. */
  changed: (projectIds: Iterable<string>) => void
  close: () => Promise<void>
}

/** Where the recent feed is kept at hand; without a cache it is read from the log each time. */
export const feedCacheOf = part<RecentCache>(() => noCache)

/** What a project was told no about lately, and what its agents did. */
export const feedOf = part<RecentFeed>((ctx) =>
  recentFeed(ctx, {
    cache: feedCacheOf(ctx),
    onFailure: (error) => ctx.log.warn({ err: error }, 'items of the recent feed were lost'),
  }),
)

/** The event of the log that is an item of the feed, for those who write it in a transaction of their own. */
export const feedEvent = (projectId: string, { type, key, leaseId, meta, at }: NewFeedItem): NewEvent => ({
  projectId,
  type: EVENT_OF[type],
  actor: { type: 'system', id: null },
  resourceType: aboutOf(EVENT_OF[type]),
  ...(leaseId !== undefined && { leaseId }),
  ...(at && { occurredAt: at }),
  data: { ...(key !== undefined && { key }), ...(meta && { meta }) },
})

function recentFeed(ctx: Ctx, { cache, onFailure }: FeedOptions): RecentFeed {
  let waiting = new Map<string, NewFeedItem[]>()
  let writing: Promise<void> | undefined
  let resting = false

  async function flush(): Promise<void> {
    while (waiting.size > 0) {
      const items = [...waiting].flatMap(([projectId, all]) => all.map((item) => feedEvent(projectId, item)))
      const projects = [...waiting.keys()]
      waiting = new Map()
      for (let at = 0; at < items.length; at += EVENTS_MAX) await appendTogether(ctx, items.slice(at, at + EVENTS_MAX))
      cache.changed(projects)
    }
  }
  function start(): void {
    if (resting || writing || waiting.size === 0) return
    // Nobody waits for an item of the feed, so a failure is only told.
    writing = flush()
      .catch((error: unknown) => onFailure(error))
      .finally(() => {
        writing = undefined
        resting = true
        setTimeout(() => {
          resting = false
          start()
        }, REST_MS).unref()
      })
  }
  const settle = async () => {
    await writing
    if (waiting.size > 0) await flush().catch((error: unknown) => onFailure(error))
  }

  return {
    async read(projectId) {
      // Whoever was just told no, and asks here, finds it.
      await settle()
      const known = await cache.read(projectId)
      if ('items' in known) return freshOf(known.items, ctx.nowMs())
      const items = await readFeed(ctx.sql, projectId)
      cache.keep(projectId, { items, version: known.version })
      return items
    },
    write(projectId, item) {
      let items = waiting.get(projectId)
      if (!items) {
        if (waiting.size >= PROJECTS_MAX) return
        items = []
        waiting.set(projectId, items)
      }
      items.push({ ...item, at: new Date(ctx.nowMs()) })
      // What would not be shown any more need not be written either.
      if (items.length > FEED_MAX) items.shift()
      // Else whoever is writing comes back for it.
      if (!writing && !resting) setImmediate(start)
    },
    changed: (projectIds) => cache.changed([...projectIds]),
    async close() {
      await settle()
      await cache.close()
    },
  }
}

type FeedOptions = { cache: RecentCache; onFailure: (error: unknown) => void }

/** What was kept a moment ago may have come of age since. */
const freshOf = (items: readonly FeedItem[], nowMs: number): FeedItem[] =>
  items.filter(({ at }) => at > nowMs - KEPT_DAYS * DAY_MS)
