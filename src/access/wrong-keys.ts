// Wrong credentials are answered more and more slowly, per address (tarpit). Only their responses wait: a valid key
// from the same address, such as that of a proxy, is never delayed.
import { createHash } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import ipaddr from 'ipaddr.js'
import { LRUCache } from 'lru-cache'
import { refuse } from '#core/error.ts'

/** Free failures: a typo, or a few clients after a rotation. */
const FREE = 10
const STEP_MS = 50
const DELAY_MS_MAX = 1_000
/** A client that repeats the same wrong key is not guessing. */
const SAME_MS = 20
const FORGOTTEN_MS = 60_000
const ADDRESSES_MAX = 10_000
const SAME_KEYS_MAX = 32
/** Delayed responses per address at the same time; beyond that the refusal is immediate. */
const WAITING_MAX = 100

type Seen = { wrong: number; waiting: number; keys: Set<string> }

/** Returns when a wrong credential may be answered; throws the refusal `rate_limited` when too many already wait. */
export type HoldBack = (address: string, credential: string) => Promise<void>

export function holdBackWrongKeys(): HoldBack {
  const addresses = new LRUCache<string, Seen>({ max: ADDRESSES_MAX, ttl: FORGOTTEN_MS, updateAgeOnGet: true })

  return async (address, credential) => {
    const name = networkOf(address)
    const seen = addresses.get(name) ?? { wrong: 0, waiting: 0, keys: new Set<string>() }
    addresses.set(name, seen)
    const delayMs = delayOf(seen, credential)
    if (delayMs === 0) return
    if (seen.waiting >= WAITING_MAX)
      throw refuse('rate_limited', { limit: `${WAITING_MAX} wrong keys at once`, retryAfterMs: DELAY_MS_MAX })
    seen.waiting++
    await setTimeout(delayMs).finally(() => seen.waiting--)
  }
}

function delayOf(seen: Seen, credential: string): number {
  // What a client sends is not stored, not even for a minute.
  const key = createHash('sha256').update(credential).digest('base64')
  if (seen.keys.has(key)) return SAME_MS
  if (seen.keys.size < SAME_KEYS_MAX) seen.keys.add(key)
  seen.wrong++
  return seen.wrong <= FREE ? 0 : Math.min(DELAY_MS_MAX, (seen.wrong - FREE) * STEP_MS)
}

/** Whoever has one IPv6 address has all of its /64. */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address
  const parsed = ipaddr.process(address)
  return parsed.kind() === 'ipv4' ? parsed.toString() : parsed.toByteArray().slice(0, 8).join('.')
}
