// Rings tell every process "something was committed, look again". A ring is a hint where to look and carries no data:
// whoever hears one reads the database. So a lost ring only costs time, at most the listener's own slow tick.
import type { Hosts } from '#postgres/hosts/hosts.ts'
import type { CarrierOptions } from './carrier.ts'
import { postgresCarrier } from './postgres-carrier.ts'
import { redisCarrier } from './redis-carrier.ts'
import type { Topic } from './topics.ts'

/**
 * `named`: this topic rang. `look`: rings may have been lost, or there were too many to name; possibly a false alarm.
 */
export type Rung = 'named' | 'look'
/** Called synchronously within `ring`: it must be quick, and must not throw. */
export type Wake = (rung: Rung) => void

export type Bell = {
  /** Call it after the commit, never within the transaction. Listeners in this process are woken before it returns. */
  ring(topics: readonly Topic[] | ReadonlySet<Topic>): void
  /** Returns the function that stops listening. */
  listen(topic: Topic, wake: Wake): () => void
  close(): Promise<void>
}

/** `url`: of the database, or its hosts. */
export type BellOptions = { url: string | Hosts; redisUrl?: string | undefined; log: (line: string) => void }

/** Minimum interval between rings that leave a process, however many are requested. */
const RING_EVERY_MS = 5
/** A NOTIFY payload has at most 8,000 bytes; a hash and its comma take 8. Beyond this, everyone looks. */
const NAMES_MAX = 900
const EVERYONE = '*'

export async function createBell({ url, redisUrl, log }: BellOptions): Promise<Bell> {
  const listeners = new Map<number, Set<Wake>>()
  // Every process also hears its own rings, and acted on them before they were sent.
  const self = Math.random().toString(36).slice(2, 10)
  const names = new Set<number>()
  let everyone = false
  let resting = false
  let sending: Promise<void> | undefined

  function wakeNamed(hash: number): void {
    const wakes = listeners.get(hash)
    if (wakes) for (const wake of wakes) wake('named')
  }

  function wakeAll(): void {
    for (const wakes of listeners.values()) for (const wake of wakes) wake('look')
  }

  const carrierOptions: CarrierOptions = {
    log,
    hear(payload) {
      const [sender, hashes = EVERYONE] = payload.split(':')
      if (sender === self) return
      if (hashes === EVERYONE) return wakeAll()
      for (const hash of hashes.split(',')) wakeNamed(Number.parseInt(hash, 36))
    },
    restored() {
      wakeAll()
      send()
    },
  }
  const carrier = await (redisUrl ? redisCarrier(redisUrl, carrierOptions) : postgresCarrier(url, carrierOptions))

  /** The first ring after a quiet period leaves immediately; those that follow within the interval leave together. */
  function send(): void {
    if (resting || sending || !(everyone || names.size > 0)) return
    const payload = `${self}:${everyone ? EVERYONE : [...names].map((hash) => hash.toString(36)).join()}`
    names.clear()
    everyone = false
    resting = true
    setTimeout(() => {
      resting = false
      send()
    }, RING_EVERY_MS)
    sending = carrier
      .send(payload)
      // The others are told to look when the connection is back, or with the next ring that gets through.
      .catch(() => {
        everyone = true
      })
      .then(() => {
        sending = undefined
        if (names.size > 0) send()
      })
  }

  return {
    ring(topics) {
      for (const topic of topics) {
        const hash = hashOf(topic)
        wakeNamed(hash)
        if (names.size < NAMES_MAX) names.add(hash)
        else everyone = everyone || !names.has(hash)
      }
      send()
    },
    listen(topic, wake) {
      const hash = hashOf(topic)
      const wakes = listeners.get(hash) ?? new Set()
      listeners.set(hash, wakes.add(wake))
      return () => {
        wakes.delete(wake)
        if (wakes.size === 0 && listeners.get(hash) === wakes) listeners.delete(hash)
      }
    },
    async close() {
      await sending
      resting = false
      send()
      await sending
      await carrier.close()
    },
  }
}

/** FNV-1a: 32 bits, so that a hash takes 7 characters. */
function hashOf(topic: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < topic.length; index++) hash = Math.imul(hash ^ topic.charCodeAt(index), 0x01000193)
  return hash >>> 0
}
