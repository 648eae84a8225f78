// The statement behind the recent feed, and the words in which the feed speaks of events of the log.

import type { Json } from '#core/json/json.ts'
import type { Db } from '#postgres/sql.ts'
import { eventData } from './event-columns.sql.ts'
import { hasRareType } from './lists/everyday.sql.ts'

/** The words of the feed, and the event of the log that each stands for. */
export const EVENT_OF = {
  duplicate: 'lock.refused',
  over_limit: 'plan.exceeded',
  ai_acquired: 'ai.acquired',
  ai_completed: 'ai.completed',
  ai_failed: 'ai.failed',
  policy_blocked: 'policy.blocked',
} as const
export type FeedType = keyof typeof EVENT_OF
const FEED_OF = new Map(Object.entries(EVENT_OF).map(([word, type]) => [type as string, word as FeedType]))

export const FEED_MAX = 200
export const KEPT_DAYS = 7

/** `at` is in milliseconds of Unix time. */
export type FeedItem = {
  at: number
  type: FeedType
  key: string | null
  leaseId: string | null
  agentId: string | null
  tool: string | null
  data: Record<string, unknown> | null
}

/** What such an event is about. Clients may write events of the same types; those are about nothing but their run. */
export const aboutOf = (type: string): string => (type === EVENT_OF.policy_blocked ? 'agent' : type.split('.', 1)[0]!)

/** Newest first, at most FEED_MAX of the last KEPT_DAYS days. */
export async function readFeed(sql: Db, projectId: string): Promise<FeedItem[]> {
  const types = [...FEED_OF.keys()]
  // The newest of each type are the first of their part of an index; a scan by time would pass over everything else.
  const rows = await sql<(Omit<FeedItem, 'type' | 'at' | 'data'> & { type: string; at: Date; data: Json | null })[]>`
    select e.*
    from unnest(${types}::text[], ${types.map(aboutOf)}::text[]) as wanted (type, about)
    cross join lateral (
      select
        occurred_at as at,
        type,
        ${eventData(sql)}->>'key' as key,
        lease_id as "leaseId",
        agent_id as "agentId",
        tool,
        ${eventData(sql)} as data,
        position
      from events
      where project_id = ${projectId}
        and ${hasRareType(sql)}
        and type = wanted.type
        and resource_type = wanted.about
        and occurred_at > clock_timestamp() - ${KEPT_DAYS} * interval '1 day'
        and recorded_at > clock_timestamp() - ${KEPT_DAYS + 1} * interval '1 day'
      order by occurred_at desc, position desc limit ${FEED_MAX}
    ) e
    order by e.at desc, e.position desc limit ${FEED_MAX}`
  return rows.map(({ at, type, key, leaseId, agentId, tool, data }) => ({
    at: at.getTime(),
    type: FEED_OF.get(type)!,
    key,
    leaseId,
    agentId,
    tool,
    data: (data?.value ?? null) as FeedItem['data'],
  }))
}
