// Access to Redis for everything but rings. Redis is never the source of truth, and every caller has a fallback
// (memory, the log). So a Redis that hangs counts as unavailable: a circuit breaker drops its connection, and closes
// again when a new connection responds.
import { Redis } from 'ioredis'

/** On the same network a response takes less than a millisecond. */
const ANSWER_MS_MAX = 200
/** A connection that hangs does not answer a QUIT either. */
const DISCONNECT_MS_MAX = 50
/** Timeout of ioredis's own commands, such as the ready check of a new connection. */
const COMMAND_MS_MAX = 2_000

export type RedisLink = {
  client: Redis
  /** Rejects within 250 ms when Redis does not respond, and immediately while it is unavailable. */
  ask<T>(work: (client: Redis) => Promise<T>): Promise<T>
  /** Whether it responds now, and after how many milliseconds. */
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
    // Once per outage, not once per reconnect attempt.
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
    // A response that has already arrived is read before the timeout counts: the event loop itself may have been late.
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
