// The last answer of each project's feed, in Redis: a list of 200 items at most. It is never the truth: every write to
// the feed makes a new version, and a list of another version than the newest is read from the log again.

import type { RedisLink } from '#bell/redis.ts'
import { DAY_SECS } from '#core/durations.ts'
import type { FeedItem } from './read-feed.sql.ts'

export type RecentCache = {
  /** The items, or the version that items which are read after this may be kept under; undefined: they may not. */
  read: (projectId: string) => Promise<{ items: FeedItem[] } | { version: string | undefined }>
  keep: (projectId: string, read: { items: readonly FeedItem[]; version: string | undefined }) => void
  changed: (projectIds: readonly string[]) => void
  close: () => Promise<void>
}

export const noCache: RecentCache = {
  read: async () => ({ version: undefined }),
  keep: () => {},
  changed: () => {},
  close: async () => {},
}

/** A process may die between its commit and its word to Redis: so long such an item is missing. */
const KEPT_SECS = 60
const VERSION_SECS = 7 * DAY_SECS

// The version is made of two counters: that of the project, and that of connections made. Words that got lost while
// Redis was away were those of projects that nobody knows, so whoever comes back turns over all lists.
const READ = `
local version = (redis.call('get', KEYS[2]) or '0') .. ':' .. (redis.call('get', KEYS[3]) or '0')
local list = redis.call('lrange', KEYS[1], 0, -1)
if list[1] == version then table.remove(list, 1) return {version, 'kept', unpack(list)} end
return {version, 'gone'}`
const KEEP = `
local version = (redis.call('get', KEYS[2]) or '0') .. ':' .. (redis.call('get', KEYS[3]) or '0')
if version ~= ARGV[1] then return 0 end
redis.call('del', KEYS[1])
redis.call('rpush', KEYS[1], unpack(ARGV, 1, #ARGV - 1))
redis.call('expire', KEYS[1], ARGV[#ARGV])
return 1`

type CacheOptions = {
  redis: RedisLink
  /** Two installations may share a Redis; their projects may have the same names. */
  installation: string
}

export function redisCache({ redis, installation }: CacheOptions): RecentCache {
  const { client } = redis
  const name = (what: string) => `runyard:feed:${installation}:${what}`
  const keysOf = (projectId: string) => [name(`items:${projectId}`), name('connections'), versionOf(projectId)]
  const versionOf = (projectId: string) => name(`version:${projectId}`)
  const turnOver = () => void client.incr(name('connections')).catch(() => {})
  client.on('ready', turnOver)
  if (client.status === 'ready') turnOver()
  return {
    async read(projectId) {
      try {
        const [version, state, ...items] = (await redis.ask((it) => it.eval(READ, 3, ...keysOf(projectId)))) as string[]
        return state === 'kept' ? { items: items.map((item) => JSON.parse(item) as FeedItem) } : { version }
      } catch {
        return { version: undefined }
      }
    },
    keep(projectId, { items, version }) {
      if (version === undefined) return
      const list = items.map((item) => JSON.stringify(item))
      void client.eval(KEEP, 3, ...keysOf(projectId), version, ...list, KEPT_SECS).catch(() => {})
    },
    changed(projectIds) {
      if (client.status !== 'ready') return
      const pipeline = client.pipeline()
      for (const projectId of projectIds) {
        pipeline.incr(versionOf(projectId)).expire(versionOf(projectId), VERSION_SECS)
      }
      void pipeline.exec().catch(() => {})
    },
    close: async () => void client.off('ready', turnOver),
  }
}
