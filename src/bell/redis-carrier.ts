// Rings through Redis or Valkey (pub/sub): one connection that subscribes, one that publishes. While Redis is
// unavailable nothing stops: listeners fall back to their slow ticks.
import { Redis } from 'ioredis'
import type { Carrier, CarrierOptions } from './carrier.ts'

// Two installations on one Redis wake each other now and then, which is harmless: a ring is only a hint.
const CHANNEL = 'runyard:bell'
const RETRY_MS_MAX = 2_000
/** A Redis that hangs counts as unavailable. */
const COMMAND_MS_MAX = 1_000
const FIRST_TRY_MAX_MS = 3_000

/** Resolves once it subscribes for the first time, or after a moment without that. */
export async function redisCarrier(url: string, { hear, restored, log }: CarrierOptions): Promise<Carrier> {
  const options = {
    lazyConnect: true,
    // A ring that waited for a connection would be outdated; the caller learns immediately that it was not sent.
    enableOfflineQueue: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 5_000,
    commandTimeout: COMMAND_MS_MAX,
    disconnectTimeout: 50,
    keepAlive: 10_000,
    retryStrategy: (times: number) => Math.min(100 * 2 ** Math.min(times, 6), RETRY_MS_MAX) * (0.5 + Math.random()),
  }
  const publisher = new Redis(url, options)
  const subscriber = new Redis(url, options)
  let closing = false
  let away = false
  let subscribed = false

  const lost = (error?: Error) => {
    if (away || closing) return
    away = true
    log(
      `Redis cannot be reached${error ? ` (${error.message})` : ''}. Until it is back, everything is noticed a little later.`,
    )
  }
  const back = () => {
    if (!subscribed || publisher.status !== 'ready' || closing) return
    if (away) log('Redis is back.')
    away = false
    restored()
  }
  for (const client of [publisher, subscriber]) client.on('error', lost).on('close', () => lost())
  publisher.on('ready', back)
  subscriber.on('close', () => {
    subscribed = false
  })
  subscriber.on('message', (_channel: string, payload: string) => hear(payload))
  const first = Promise.withResolvers<void>()
  subscriber.on('ready', () => {
    subscriber.subscribe(CHANNEL).then(
      () => {
        subscribed = true
        back()
        first.resolve()
      },
      // Without its subscription a connection is useless; a new one tries again.
      () => subscriber.disconnect(true),
    )
  })

  await Promise.race([
    Promise.allSettled([publisher.connect(), subscriber.connect().then(() => first.promise)]),
    new Promise((resolve) => setTimeout(resolve, FIRST_TRY_MAX_MS).unref()),
  ])
  return {
    async send(payload) {
      await publisher.publish(CHANNEL, payload).catch((error: Error) => {
        lost(error)
        // A hanging connection is dropped; a new one is used once it responds.
        if (publisher.status === 'ready') publisher.disconnect(true)
        throw error
      })
    },
    async close() {
      closing = true
      publisher.disconnect()
      subscriber.disconnect()
    },
  }
}
