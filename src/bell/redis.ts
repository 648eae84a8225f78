// The way to Redis for everything but rings. Nothing in Redis is the truth, and everybody has another way (memory, the
// log), so a Redis that hangs is one that is away: its connection is dropped (a circuit breaker), and it is asked again
// when a new one is answered.
import { Redis } from 'ioredis'

/** On the same network an answer takes less than one millisecond. */
const ANSWER_MS_MAX = 200
/** A connection that hangs does not say goodbye either. */
const DISCONNECT_MS_MAX = 50
/** Bounds what ioredis itself asks, such as whether a new connection is ready. */
const COMMAND_MS_MAX = 2_000

export type RedisLink = {
  client: Redis
  /** Rejects within 250 ms when Redis does not answer, and at once while it is away. */
  ask<T>(work: (client: Redis) => Promise<T>): Promise<T>
  /** Whether it answers now, and after how many milliseconds. */
  check(): Promise<{ ok: boolean; ms: number }>
  close(): void
}

export function openRedis({ url, log }: { url: string; log: (line: string) => void }): RedisLink {
  const client = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: COMMAND_MS_MAX,
    commandTimeout: COMMAND_MS_MAX,
    disconnectTimeout: DISCONNECT_MS_MAX,
    retryStrategy: (times) => Math.min(2_000, times * 100),
  })
  let isAway = false

  function lose({ message }: Error): void {
    // Once per outage, not once per attempt to come back.
    if (!isAway)
      log(`Redis does not respond (${message}); until it does, limits are per process and feeds are read from the log.`)
    isAway = true
  }
  client.on('error', lose).on('ready', () => {
    if (isAway) log('Redis responds again.')
    isAway = false
  })

  async function ask<T>(work: (client: Redis) => Promise<T>): Promise<T> {
    if (client.status !== 'ready') throw new Error('Redis is away')
    return within(work(client), (late) => {
      lose(late)
      client.disconnect(true)
    })
  }

  return {
    client,
    ask,
    async check() {
      const beganMs = performance.now()
      const ok = await ask((redis) => redis.ping()).then(
        () => true,
        () => false,
      )
      return { ok, ms: Math.round(performance.now() - beganMs) }
    },
    close: () => client.disconnect(),
  }
}

function within<T>(answer: Promise<T>, onLate: (error: Error) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    let isOver = false
    // An answer that has arrived is read before the time counts as over: the event loop may have been late itself.
    const timer = setTimeout(() => setImmediate(() => setImmediate(late)), ANSWER_MS_MAX)
    const late = () => {
      if (isOver) return
      const error = new Error(`no answer in ${ANSWER_MS_MAX} ms`)
      reject(error)
      onLate(error)
    }
    const settle = () => {
      isOver = true
      clearTimeout(timer)
    }
    answer.finally(settle).then(resolve, reject)
  })
}
