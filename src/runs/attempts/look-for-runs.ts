// One look at the head of some queues, for one claimer or for many at once: which statements claim, in which order, and
// what the next look has to know of this one.
import { LRUCache } from 'lru-cache'
import type { Ctx } from '#bell/ctx.ts'
import {
  type Claim,
  type Claimed,
  type ClaimedRun,
  claimLimitedRuns,
  claimRuns,
  type Seat,
} from '#run-state/claim/claim-runs.sql.ts'
import type { Lane } from '#run-state/claim/lanes.sql.ts'

type Asked<S extends Seat> = Pick<Claim, 'projectId' | 'queues' | 'into'> & { seats: readonly S[] }

export type Looked<S extends Seat> = {
  /** By claimer, in the order of its seats; one that got nothing is absent. */
  taken: Map<S, ClaimedRun[]>
  /** Lanes are left that were not examined, or were locked by others just now. */
  unseen: boolean
  /** Runs of a job with a concurrency limit are left. */
  limitedLeft: boolean
}

/** What is remembered of the queues that are asked for together. */
type Place = {
  /** Where the next look begins, when there were more lanes than one looks at. */
  after: Lane | undefined
  /** Jobs with a concurrency limit whose runs were seen waiting. */
  limited: readonly string[]
  /** One lane was found at most, without a limit. */
  isSimple: boolean
}

const PLACES_MAX = 10_000
const UNKNOWN: Place = { after: undefined, limited: [], isSimple: true }

type Found = Pick<Claimed, 'runs' | 'contended' | 'withheld'>

/** Keeps the turn: it moves on by one with every look. */
export function makeLooker({ sql, log }: Pick<Ctx, 'sql' | 'log'>) {
  const places = new LRUCache<string, Place>({ max: PLACES_MAX })
  let turn = 0

  return async <S extends Seat>(asked: Asked<S>): Promise<Looked<S>> => {
    const name = `${asked.projectId} ${asked.queues.join()}`
    const known = places.get(name) ?? UNKNOWN
    const taken = new Map<S, ClaimedRun[]>()
    const claim: Claim = { ...asked, turn: ++turn, after: known.after, order: 'strict' }
    const left = [...asked.seats]

    /** Claims for the seats that are left, if there are any. Runs of a statement before it stay claimed when it fails. */
    const fill = async <T extends Found>(ask: (claim: Claim) => Promise<T>): Promise<T | undefined> => {
      if (left.length === 0) return undefined
      try {
        const found = await ask({ ...claim, seats: left })
        for (const run of found.runs) {
          const seat = left[run.seat - 1]!
          const runs = taken.get(seat)
          if (runs) runs.push(run)
          else taken.set(seat, [run])
        }
        const filled = new Set(found.runs.map((run) => run.seat))
        left.splice(0, left.length, ...left.filter((_, index) => !filled.has(index + 1)))
        return found
      } catch (error) {
        if (taken.size === 0) throw error
        log.warn({ err: error }, 'a claim failed after a part of it; the runs of that part are handed out')
        return undefined
      }
    }

    // Jobs with and without a limit alternate in going first: an endless backlog of one kind does not starve the other.
    const first = known.limited.length > 0 && turn % 2 === 0
    if (first) await fill((claim) => claimLimitedRuns(sql, claim, known.limited))
    const free = await fill((claim) => claimRuns(sql, { ...claim, isSimple: known.isSimple }))
    if (free) places.set(name, { after: free.after, limited: free.limitedJobs, isSimple: free.isSimple })
    const limited =
      free && !first && free.limitedJobs.length > 0
        ? await fill((claim) => claimLimitedRuns(sql, claim, free.limitedJobs))
        : undefined
    let contended = Boolean(free?.contended || limited?.contended)
    // Others are just claiming the more urgent runs of a job with a limit, or have taken its last slot. Do not
    // idle because of that.
    if (taken.size === 0 && free?.withheld) {
      const loose = await fill((claim) => claimRuns(sql, { ...claim, order: 'loose' }))
      contended ||= Boolean(loose?.contended)
    }
    const { after, limited: waiting } = places.get(name) ?? UNKNOWN
    return { taken, unseen: contended || after !== undefined, limitedLeft: waiting.length > 0 }
  }
}
