// The runs that are followed in this process. A ring names its run, so only that run's followers read; a slow tick
// asks for the last sequence of all followed runs at once, which makes up for lost rings.

import type { Bell } from '#bell/bell.ts'
import { isOver } from '#core/run.ts'
import { type RunLogPage, type RunLogRow, readLastSequences, readRunLog, readVisible } from '#log/read-log.sql.ts'
import type { Sql } from '#postgres/sql.ts'
import { type Follower, makeWatch, type OwnedWatch, type Page, type Watch } from './watch.ts'

export type WatchedRun = { runId: string; createdAt: Date }
export type RunWatch = Watch<RunLogRow, number>

/**
 * What a wire needs beside the log: rows, or the first of them when all would be too much at once.
 * Streams of one run whose fill has the same name share what they read.
 */
export type Fill = { name: string; rows(rows: readonly RunLogRow[]): Promise<RunLogRow[]> }

export type RunWatches = {
  /** With the run's deltas, or its events only. */
  follow(run: WatchedRun, deltas: boolean, follower: Follower, fill?: Fill): RunWatch
  close(): void
}

export type WatchOptions = { sql: Sql; bell: Pick<Bell, 'listen'>; log: (line: string) => void; tickMs?: number }

export const TICK_MS = 2_000
/** A slow client has one page buffered; this is also the most that is written to a client at once. */
export const PAGE = { limit: 200, bytesMax: 262_144 } as const
const RUNS_PER_QUERY = 10_000

type Watched = {
  runId: string
  watch: OwnedWatch<RunLogRow, number>
  /** The run's last sequence, as of the latest read that reached its end. */
  known: number
  /** A read failed, and only the tick will make its followers read again. */
  failed: boolean
  unlisten: () => void
}

export function watchRuns({ sql, bell, log, tickMs = TICK_MS }: WatchOptions): RunWatches {
  const watched = new Map<string, Watched>()
  let timer: NodeJS.Timeout | undefined
  /** What was visible when all followed runs were last checked; with thousands of idle ones a check is not free. */
  let lookedAt = ''
  const failures = tellOnce(log)

  function open(key: string, run: WatchedRun, deltas: boolean, fill: Fill | undefined): Watched {
    const one: Watched = {
      runId: run.runId,
      watch: makeWatch({ read, keyOf, unwatched }),
      known: -1,
      failed: false,
      unlisten: bell.listen(`run:${run.runId}`, (rung) => (rung === 'named' ? one.watch.ring() : void look())),
    }
    async function read(after: number): Promise<Page<RunLogRow, number>> {
      try {
        const about = { runId: run.runId, runCreatedAt: run.createdAt, deltas }
        const found = await readRunLog(sql, { ...about, afterSequence: after, ...PAGE })
        failures.readWorks()
        return known(one, after, found && fill ? await filled(found, fill) : found)
      } catch (error) {
        one.failed = true
        failures.fail('read', error)
        throw error
      }
    }
    function unwatched(): void {
      one.unlisten()
      watched.delete(key)
      if (watched.size > 0) return
      clearInterval(timer)
      timer = undefined
    }
    watched.set(key, one)
    timer ??= setInterval(() => void look(), tickMs)
    return one
  }

  /** Checks all followed runs at once, and wakes the followers of those that have more than was read. */
  const look = coalesced(async () => {
    try {
      const visible = await readVisible(sql)
      const all = [...watched.values()]
      if (visible !== lookedAt || all.some((one) => one.failed)) await wakeBehind(sql, all)
      lookedAt = visible
      failures.lookWorks()
    } catch (error) {
      failures.fail('look', error)
    }
  })

  return {
    follow(run, deltas, follower, fill) {
      const key = `${run.runId} ${deltas} ${fill?.name ?? ''}`
      const { watch } = watched.get(key) ?? open(key, run, deltas, fill)
      watch.join(follower)
      return watch
    },
    close() {
      clearInterval(timer)
      for (const one of watched.values()) one.unlisten()
      watched.clear()
    },
  }
}

async function wakeBehind(sql: Sql, all: readonly Watched[]): Promise<void> {
  for (let from = 0; from < all.length; from += RUNS_PER_QUERY) {
    const some = all.slice(from, from + RUNS_PER_QUERY)
    const last = await readLastSequences(sql, [...new Set(some.map((one) => one.runId))])
    for (const one of some) {
      // A deleted run has no last sequence: its followers find out.
      const isBehind = (last.get(one.runId) ?? Number.POSITIVE_INFINITY) > one.known
      if (!isBehind && !one.failed) continue
      one.failed = false
      one.watch.ring()
    }
  }
}

/** One at a time; asked for meanwhile, it is done once more. `work` does not throw. */
function coalesced(work: () => Promise<void>): () => Promise<void> {
  let isBusy = false
  let again = false
  return async function ask() {
    again = isBusy
    if (isBusy) return
    isBusy = true
    await work()
    isBusy = false
    if (again) void ask()
  }
}

/** Logs a failure once, until it works again. A successful check does not prove that reads work. */
function tellOnce(log: (line: string) => void) {
  let failing: 'look' | 'read' | undefined
  return {
    fail(what: 'look' | 'read', error: unknown) {
      if (!failing) log(`The event log cannot be read; streams wait until it can: ${(error as Error).message}`)
      failing ??= what
    },
    readWorks() {
      failing = undefined
    },
    lookWorks() {
      if (failing === 'look') failing = undefined
    },
  }
}

const keyOf = (after: number): number => after

async function filled(found: RunLogPage, fill: Fill): Promise<RunLogPage> {
  const rows = await fill.rows(found.rows)
  return { ...found, rows, more: found.more || rows.length < found.rows.length }
}

/** Turns rows into a page, and remembers how far the run was read. */
function known(one: Watched, after: number, read: Awaited<ReturnType<typeof readRunLog>>): Page<RunLogRow, number> {
  if (!read) return { rows: [], next: after, more: false, over: true }
  const { rows, more, state, lastSequence } = read
  if (more) return { rows, next: rows.at(-1)!.sequence!, more, over: false }
  // Numbers without a row belong to deltas that are not read here, or are no longer stored.
  // A run with fewer numbers than were seen is on a server that lagged and took over: the numbers are assigned again.
  one.known = lastSequence < after ? lastSequence : Math.max(one.known, lastSequence)
  return { rows, next: lastSequence, more, over: isOver(state) }
}
