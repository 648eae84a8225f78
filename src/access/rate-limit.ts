// Requests per key: in Redis with REDIS_URL, so that the nodes count together, else in each process.
import { Redis } from 'ioredis'
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import { refuse } from '#core/error.ts'

/**
 * A fixed window that begins with the key's first call. Limits are set per minute, and a shorter window cannot hold all of
 * them: a sixth of 5 is no whole number of requests.
 */
const WINDOW_SECS = 60

export type Standing = { limit: number; remaining: number; resetMs: number }
export type RateLimiter = {
  /** Throws the refusal `rate_limited` over the limit. */
  take: (key: string, perMinute: number) => Promise<Standing>
  close: () => Promise<void>
}

export function makeRateLimiter({
  redisUrl,
  log,
}: {
  redisUrl: string | undefined
  log: (line: string) => void
}): RateLimiter {
  const redis = redisUrl === undefined ? undefined : connectRedis(redisUrl, log)
  const limiters = new Map<number, RateLimiterMemory | RateLimiterRedis>()

  /** One per distinct limit, of which an installation has few. */
  function limiterOf(perMinute: number): RateLimiterMemory | RateLimiterRedis {
    const known = limiters.get(perMinute)
    if (known) return known
    const points = perMinute
    const memory = new RateLimiterMemory({ points, duration: WINDOW_SECS, keyPrefix: `rl${perMinute}` })
    // While Redis is away each process counts for itself: a limit that is a little loose beats no service.
    const made = redis
      ? new RateLimiterRedis({
          storeClient: redis,
          points,
          duration: WINDOW_SECS,
          keyPrefix: `runyard:rl${perMinute}`,
          insuranceLimiter: memory,
          inMemoryBlockOnConsumed: points + 1,
        })
      : memory
    limiters.set(perMinute, made)
    return made
  }

  return {
    async take(key, perMinute) {
      const limiter = limiterOf(perMinute)
      try {
        const { remainingPoints, msBeforeNext } = await limiter.consume(key)
        return { limit: limiter.points, remaining: remainingPoints, resetMs: msBeforeNext }
      } catch (error) {
        if (!(error instanceof RateLimiterRes)) throw error
        throw refuse('rate_limited', {
          limit: `${limiter.points} a minute`,
          retryAfterMs: error.msBeforeNext,
        })
      }
    },
    close: async () => redis?.disconnect(),
  }
}

function connectRedis(url: string, log: (line: string) => void): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    connectTimeout: 5_000,
    retryStrategy: (times) => Math.min(2_000, times * 100),
  })
  let told = false
  redis.on('error', (error: Error) => {
    // Once per outage, not once per attempt to come back.
    if (!told) log(`Redis cannot be reached, rate limits are kept per process: ${error.message}`)
    told = true
  })
  redis.on('ready', () => {
    told = false
  })
  return redis
}
