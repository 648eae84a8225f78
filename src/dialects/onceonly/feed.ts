// The recent feed: refusals and agent activity, newest first.
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { Ctx } from '#bell/ctx.ts'
import { jsonObject, optional, whole, withDefault } from '#contract/common.ts'
import { route } from '#contract/route.ts'
import { implement } from '#http/implement.ts'
import { FEED_MAX, type FeedItem } from '#log/read-feed.sql.ts'
import { feedOf } from '#log/recent-feed.ts'

const OFFSET_MAX = 1_000_000

export const listFeed = route({
  method: 'GET',
  path: '/v1/events',
  needs: 'events:read',
  tag: 'Runs and events',
  name: 'listRecentEvents',
  summary: 'List recent activity, newest first: duplicates, exceeded limits, AI work, blocked calls.',
  description: 'It covers at most 7 days and 200 items. The events of a run are at /v1/runs/{run_id}.',
  query: Type.Object({
    limit: withDefault(whole(1, FEED_MAX, 'Maximum number of items.'), 50),
    offset: withDefault(whole(0, OFFSET_MAX, 'Items to skip.'), 0),
  }),
  replies: {
    200: Type.Array(
      Type.Object(
        {
          ts: Type.Integer({ description: 'When it happened, in Unix seconds.' }),
          type: Type.String({ description: 'What happened.' }),
          key: optional(Type.String({ description: 'Key concerned.' })),
          lease_id: optional(Type.String({ description: 'Id of the lease concerned.' })),
          meta: optional(jsonObject('Anything else, as JSON.')),
        },
        { title: 'FeedItem' },
      ),
    ),
  },
})

export const FEED_ROUTES = [listFeed]

export function feedRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, listFeed, async ({ limit, offset }, { projectId }) =>
    (await feedOf(ctx).read(projectId)).slice(offset, offset + limit).map(itemWire),
  )
}

const itemWire = (item: FeedItem) => {
  const meta = item.type === 'policy_blocked' ? blockedMeta(item) : (item.data?.meta as object | undefined)
  return {
    ts: Math.floor(item.at / 1000),
    type: item.type,
    ...(item.key !== null && { key: item.key }),
    ...(item.leaseId !== null && { lease_id: item.leaseId }),
    ...(meta && { meta: meta as Record<string, unknown> }),
  }
}

const blockedMeta = ({ agentId, tool, data }: FeedItem) => ({
  agent_id: agentId,
  tool,
  reason: data?.reason,
  risk_level: data?.risk_level,
  policy_version: data?.policy_hash,
})
