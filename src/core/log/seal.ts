// Seals: their fields, what is hashed, and when a chain of them is broken. docs/seals.md explains them to users.
import { canonicalJson } from '../json/canonical.ts'

/** A position in the log. Positions are ordered by transaction, then by number: see log/tail.sql.ts. */
export type Place = { xid: string; position: number }

export const LOG_BEGINNING: Place = { xid: '0', position: 0 }

/** A window is closed by this many events, of all projects together, or by the age of its oldest one. */
export const WINDOW_EVENTS_MAX = 10_000
export const WINDOW_AGE_MAX_MS = 60_000
/** Stored bytes: decompressed they may be several times as many, and one statement has to hash them. */
export const WINDOW_BYTES_MAX = 8 * 1024 * 1024
/** Each time the log has grown by this much, every project is sealed, even a silent one: see decision 0013. */
export const SEAL_ALL_POSITIONS = 1_000_000

/** Version of the hashing format. */
const FORMAT = 1

export type SealBody = {
  projectId: string
  number: number
  after: Place
  until: Place
  /** Number of events in the window. */
  events: number
  /** RFC 3339 with microseconds, like all times of a seal; null without events. */
  recordedFrom: string | null
  recordedUntil: string | null
  /** SHA-256 over the SHA-256 of each event's line, in log order; hexadecimal, like all hashes. */
  digest: string
  sealedAt: string
  /** The hash of the previous seal. */
  previous: string
}
export type Seal = SealBody & { hash: string }

/** The `previous` of a project's first seal. */
export const NO_HASH = '0'.repeat(64)

/** The digest of an empty window: the SHA-256 of nothing. */
export const EMPTY_DIGEST = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** A seal as everyone sees it: its hash can be computed from these fields. */
export const sealFields = (seal: SealBody) => ({
  format: FORMAT,
  project_id: seal.projectId,
  number: seal.number,
  after_xid: seal.after.xid,
  after_position: seal.after.position,
  until_xid: seal.until.xid,
  until_position: seal.until.position,
  events: seal.events,
  recorded_from: seal.recordedFrom,
  recorded_until: seal.recordedUntil,
  digest: seal.digest,
  sealed_at: seal.sealedAt,
  previous: seal.previous,
})

/** The text whose SHA-256 is the hash of the seal. */
export const sealText = (seal: SealBody): string => canonicalJson(sealFields(seal))

/** `not_sealed`: events that a seal should cover and none does. `head_differs`: a seal is not the expected one. */
export const SEAL_PROBLEMS = ['events_differ', 'events_missing', 'not_sealed', 'chain_broken', 'head_differs'] as const
export type SealProblem = (typeof SEAL_PROBLEMS)[number]

/** The end of a chain: what the next seal has to follow on. */
export type Link = Pick<Seal, 'number' | 'until' | 'hash'>

export const CHAIN_BEGINNING: Link = { number: 0, until: LOG_BEGINNING, hash: NO_HASH }

/** Why `seal` does not follow on `link`, as a sentence; undefined when it does. `hash` is that of its text. */
export function chainFlaw(link: Link, seal: Seal, hash: string): string | undefined {
  if (seal.number !== link.number + 1) return `Seal ${link.number + 1} is missing.`
  if (hash !== seal.hash) return `Seal ${seal.number} was changed: its hash is not that of what it says.`
  if (seal.previous !== link.hash) return `Seal ${seal.number} was made after another seal ${link.number}.`
  if (seal.after.xid !== link.until.xid || seal.after.position !== link.until.position)
    return `The window of seal ${seal.number} does not begin where that of seal ${link.number} ends.`
  return undefined
}

type Waiting = { events: number; oldestAgeMs: number | null }

/** Milliseconds until the next window must be closed, given the events that wait; undefined when none do. */
export function dueInMs({ events, oldestAgeMs }: Waiting, ageMaxMs: number): number | undefined {
  if (oldestAgeMs === null) return undefined
  return events >= WINDOW_EVENTS_MAX ? 0 : Math.max(0, ageMaxMs - oldestAgeMs)
}

/** Whether every project must be sealed at this position, because the log has grown so much. */
export const isSealedByAll = (after: Place, until: Place): boolean =>
  Math.floor(after.position / SEAL_ALL_POSITIONS) !== Math.floor(until.position / SEAL_ALL_POSITIONS)
