// Comparing the log with its seals: the chain, and for each seal what its window holds now. Bounded; who asks goes on
// from the last seal that was found good.

import type { Ctx } from '#bell/ctx.ts'
import {
  CHAIN_BEGINNING,
  chainFlaw,
  EMPTY_DIGEST,
  type Link,
  type Place,
  type Seal,
  type SealProblem,
} from '#core/log/seal.ts'
import type { Sql } from '#postgres/sql.ts'
import { readPartitions } from '../partitions.sql.ts'
import { batchesOf, hashWindows, type Window } from './hash-windows.ts'
import { sealHash } from './seal-log.ts'
import { countUnreachable } from './sealed-events.sql.ts'
import { findFirstSealBeyond, findFirstSealSince, findHead, findSeal, readSeals } from './seals.sql.ts'

export type Problem = {
  reason: SealProblem
  message: string
  /** Null for what comes after the last seal. */
  seal: number | null
  after: Place
  until: Place | null
  recordedFrom: string | null
  recordedUntil: string | null
  eventsSealed: number | null
  eventsFound: number | null
}

export type VerifyRequest = {
  projectId: string
  from?: Date | undefined
  to?: Date | undefined
  /** A seal that is known to be good, by its hash when that was kept elsewhere: what comes after it is verified. */
  fromSeal?: { number: number; hash?: string | undefined } | undefined
  bounds?: { eventsMax: number; ms: number }
}

export type Verdict = {
  windows: number
  events: number
  /** Windows of which events were dropped by retention, and so cannot be compared any more. */
  gone: { windows: number; events: number; recordedUntil: string | null }
  problem: Problem | null
  /** The latest of the recorded times up to which the log was verified. */
  sealedUntil: string | null
  /** The last seal that was found good. */
  last: { number: number; hash: string }
  /** There is more after `last`. */
  more: boolean
}

/** What one request looks at; a window that was begun is finished. */
const BOUNDS = { eventsMax: 1_000_000, ms: 10_000 }

/** Seals that are read at once. */
const SEALS_MAX = 20

export async function verifyLog({ reads: sql }: Pick<Ctx, 'reads'>, request: VerifyRequest): Promise<Verdict> {
  const { projectId, to, bounds = BOUNDS } = request
  const verdict: Verdict = {
    windows: 0,
    events: 0,
    gone: { windows: 0, events: 0, recordedUntil: null },
    problem: null,
    sealedUntil: null,
    last: CHAIN_BEGINNING,
    more: false,
  }
  const start = await findStart(sql, request)
  if ('problem' in start) return { ...verdict, problem: start.problem }
  const endMs = performance.now() + bounds.ms
  const beyond = to && (await findFirstSealBeyond(sql, projectId, to))
  let link: Link = start.link
  verdict.last = link
  for (;;) {
    const { head, sealed } = await findHead(sql, projectId)
    const seals = await readSeals(sql, { projectId, after: link.number, limit: SEALS_MAX })
    const wanted = seals.filter((seal) => !beyond || seal.number < beyond.number)
    const { windows, broken } = followChain(link, wanted)
    const isEnd = !broken && seals.length === 0 && !beyond && link.number === (head?.number ?? 0)
    if (isEnd) windows.push({ seal: undefined, after: link.until, until: sealed, events: 0, digest: EMPTY_DIGEST })
    for (const batch of batchesOf(windows)) {
      await checkWindows(sql, projectId, batch, verdict)
      if (verdict.problem) return verdict
      const isFull = verdict.events >= bounds.eventsMax || performance.now() > endMs
      if (isFull && !isEnd) return { ...verdict, more: true }
    }
    if (broken) return { ...verdict, problem: broken }
    const reached = wanted.at(-1)
    if (!reached) return isEnd ? { ...verdict, problem: await unreachableProblem(sql, projectId, sealed) } : verdict
    link = reached
  }
}

type Start = { link: Link } | { problem: Problem }

async function findStart(sql: Sql, { projectId, from, fromSeal }: VerifyRequest): Promise<Start> {
  if (fromSeal) {
    const seal = await findSeal(sql, projectId, fromSeal.number)
    if (!seal || (fromSeal.hash !== undefined && fromSeal.hash !== seal.hash)) {
      const message = seal
        ? `Seal ${fromSeal.number} has another hash than the one that is expected.`
        : `Seal ${fromSeal.number} is not there.`
      return { problem: { ...chainProblem(message, fromSeal.number, seal), reason: 'head_differs' } }
    }
    return ownFlaw(seal) ?? { link: seal }
  }
  if (!from) return { link: CHAIN_BEGINNING }
  const first = (await findFirstSealSince(sql, projectId, from)) ?? (await findHead(sql, projectId)).head
  if (!first || first.number === 1) return { link: CHAIN_BEGINNING }
  const before = await findSeal(sql, projectId, first.number - 1)
  if (!before) {
    const number = first.number - 1
    return { problem: chainProblem(`Seal ${number} is missing.`, number, undefined) }
  }
  return ownFlaw(before) ?? { link: before }
}

/** The flaw of a seal by itself: that it is not what its hash says. */
function ownFlaw(seal: Seal): Start | undefined {
  const flaw = chainFlaw({ number: seal.number - 1, until: seal.after, hash: seal.previous }, seal, sealHash(seal))
  return flaw === undefined ? undefined : { problem: chainProblem(flaw, seal.number, seal) }
}

/** The windows up to the first seal that does not follow on the one before. */
function followChain(start: Link, seals: readonly Seal[]): { windows: Window[]; broken: Problem | undefined } {
  const windows: Window[] = []
  let link = start
  for (const seal of seals) {
    const flaw = chainFlaw(link, seal, sealHash(seal))
    if (flaw !== undefined) return { windows, broken: chainProblem(flaw, link.number + 1, seal, link) }
    windows.push({ seal, after: seal.after, until: seal.until, events: seal.events, digest: seal.digest })
    link = seal
  }
  return { windows, broken: undefined }
}

const chainProblem = (message: string, number: number, seal: Seal | undefined, link?: Link): Problem => ({
  reason: 'chain_broken',
  message,
  seal: number,
  after: link?.until ?? seal?.after ?? CHAIN_BEGINNING.until,
  until: seal?.until ?? null,
  recordedFrom: seal?.recordedFrom ?? null,
  recordedUntil: seal?.recordedUntil ?? null,
  eventsSealed: seal?.events ?? null,
  eventsFound: null,
})

async function checkWindows(sql: Sql, projectId: string, windows: readonly Window[], verdict: Verdict): Promise<void> {
  for (const [index, { events, digest }] of (await hashWindows(sql, projectId, windows)).entries()) {
    const window = windows[index]!
    const { seal } = window
    if (digest === window.digest) {
      verdict.windows += seal ? 1 : 0
      verdict.events += events
    } else if (seal && (await isGone(sql, seal, events))) {
      verdict.gone.windows++
      verdict.gone.events += seal.events
      verdict.gone.recordedUntil = seal.recordedUntil
    } else {
      verdict.problem = eventProblem(window, events)
      return
    }
    if (!seal) continue
    verdict.last = { number: seal.number, hash: seal.hash }
    verdict.sealedUntil = seal.recordedUntil ?? verdict.sealedUntil
  }
}

/**
 * Retention drops whole partitions, oldest first: what was recorded before the oldest one that is left is not there,
 * whoever wrote it. Asked after the comparison, since a partition may be dropped in between.
 */
async function isGone(sql: Sql, seal: Seal, found: number): Promise<boolean> {
  const keptFromMs = await keptFrom(sql)
  if (seal.recordedFrom === null || Date.parse(seal.recordedFrom) >= keptFromMs) return false
  return Date.parse(seal.recordedUntil!) >= keptFromMs ? found < seal.events : found === 0
}

/** Of the oldest partition of the log that is left, in milliseconds. */
export async function keptFrom(sql: Sql): Promise<number> {
  const [oldest] = await readPartitions(sql, 'events')
  return oldest?.from.getTime() ?? Number.POSITIVE_INFINITY
}

/** Behind all that is sealed there may be events that wait for it, but none that will never be sealed. */
async function unreachableProblem(sql: Sql, projectId: string, sealed: Place): Promise<Problem | null> {
  const found = await countUnreachable(sql, projectId, sealed)
  if (found === 0) return null
  const message = `${found} events bear the mark of transactions that have not begun: they were added by hand.`
  return { ...chainProblem(message, 0, undefined), reason: 'not_sealed', seal: null, after: sealed, eventsFound: found }
}

function eventProblem({ seal, after, until, events }: Window, found: number): Problem {
  const place = { after, until, recordedFrom: seal?.recordedFrom ?? null, recordedUntil: seal?.recordedUntil ?? null }
  const counts = { eventsSealed: events, eventsFound: found }
  if (!seal) {
    const message = `${found} events after the last seal should have been sealed: they were added, or seals were removed.`
    return { reason: 'not_sealed', message, seal: null, ...place, ...counts }
  }
  if (found < events) {
    const message = `Of ${events} events that seal ${seal.number} covers ${events - found} are missing.`
    return { reason: 'events_missing', message, seal: seal.number, ...place, ...counts }
  }
  const change = found > events ? `${found - events} were added` : 'at least one was changed'
  const message = `The ${events} events that seal ${seal.number} covers are not what was sealed: ${change}.`
  return { reason: 'events_differ', message, seal: seal.number, ...place, ...counts }
}
