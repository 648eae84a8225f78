// Rate limit per key: in Redis with REDIS_URL, so that the nodes count together, otherwise in each process.
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import type { RedisLink } from '#bell/redis.ts'
import { refuse } from '#core/error.ts'

/**
 * A fixed window that begins with the key's first call. Limits are per minute, and a shorter window cannot represent
 * all of them: a sixth of 5 is not a whole number of requests.
 */
const WINDOW_SECS = 60

export type Standing = { limit: number; remaining: number; resetMs: number }
export type RateLimiter = {
  /** Throws the refusal `rate_limited` when over the limit. */
  take: (key: string, perMinute: number) => Promise<Standing>
}

type Limiter = { memory: RateLimiterMemory; shared: RateLimiterRedis | undefined }

export function makeRateLimiter({ redis }: { redis?: RedisLink | undefined } = {}): RateLimiter {
  const limiters = new Map<number, Limiter>()

  /** One limiter per distinct limit, of which an installation has few. */
  function limiterOf(points: number): Limiter {
    const known = limiters.get(points)
    if (known) return known
    const common = { points, duration: WINDOW_SECS }
    const made = {
      memory: new RateLimiterMemory({ ...common, keyPrefix: `rl${points}` }),
      shared:
        redis &&
        new RateLimiterRedis({
          ...common,
          storeClient: redis.client,
          keyPrefix: `runyard:rl${points}`,
          inMemoryBlockOnConsumed: points + 1,
        }),
    }
    limiters.set(points, made)
    return made
  }

  async function consume({ memory, shared }: Limiter, key: string): Promise<RateLimiterRes> {
    if (!redis || !shared) return memory.consume(key)
    return redis
      .ask(() => shared.consume(key))
      .catch((error: unknown) => {
        if (error instanceof RateLimiterRes) throw error
        // While Redis is unavailable, each process counts for itself: a slightly loose limit is better than no service.
        return memory.consume(key)
      })
  }

  return {
    async take(key, perMinute) {
      try {
        const { remainingPoints, msBeforeNext } = await consume(limiterOf(perMinute), key)
        return { limit: perMinute, remaining: remainingPoints, resetMs: msBeforeNext }
      } catch (error) {
        if (!(error instanceof RateLimiterRes)) throw error
        throw refuse('rate_limited', { limit: `${perMinute} a minute`, retryAfterMs: error.msBeforeNext })
      }
    },
  }
}
