// The logs of whole projects, followed live. All followers of all projects share one reader: the log's order does
// not depend on projects, so a reader of one passes the events of all of them anyway.
import { readTail, type TailCursor, type TailEvent } from '#log/tail.sql.ts'
import { type Follower, makeWatch, type OwnedWatch, type Page, type Watch } from './watch.ts'
import { PAGE, TICK_MS, type WatchOptions } from './watch-runs.ts'

export type TailWatch = Watch<TailEvent, TailCursor>
export type TailWatches = { follow(projectId: string, follower: Follower): TailWatch; close(): void }

/** The log may grow a thousand times per second; its followers read at most this often. */
const LOOK_EVERY_MS = 20
const HELD_MS_MIN = 10
const HELD_MS_MAX = 1_000

type TailPage = Page<TailEvent, TailCursor>

export function watchTail({ sql, bell, log, tickMs = TICK_MS }: WatchOptions): TailWatches {
  const watched = new Map<string, OwnedWatch<TailEvent, TailCursor>>()
  const partOf = sharedParts()
  let unlisten: (() => void) | undefined
  let timer: NodeJS.Timeout | undefined
  let failing = false

  // Never followed itself; it makes sharing of reads possible.
  const all = makeWatch<TailEvent, TailCursor>({ read, keyOf, unwatched: () => {} })
  const hear = atMostEvery(LOOK_EVERY_MS, ringAll)
  // A transaction that does not ring may hold events back, and nobody rings when it ends.
  const held = backingOff(ringAll)

  async function read(after: TailCursor): Promise<TailPage> {
    try {
      const page = await readTail(sql, { after, projectIds: [...watched.keys()], ...PAGE })
      failing = false
      if (page.held && !page.more) held.tryLater()
      else if (!page.held) held.reset()
      return { rows: page.events, next: page.next, more: page.more, over: false, held: page.held }
    } catch (error) {
      if (!failing) log(`The event log cannot be read; streams wait until it can: ${(error as Error).message}`)
      failing = true
      throw error
    }
  }

  function ringAll(): void {
    all.ring()
    for (const watch of watched.values()) watch.ring()
  }

  function open(projectId: string): OwnedWatch<TailEvent, TailCursor> {
    const watch = makeWatch<TailEvent, TailCursor>({
      read: async (after) => partOf(await all.read(after), projectId),
      keyOf,
      unwatched() {
        watched.delete(projectId)
        if (watched.size === 0) stop()
      },
    })
    watched.set(projectId, watch)
    // A read in progress does not know of this project, and must not be shared with its followers.
    all.ring()
    unlisten ??= bell.listen('tail', hear)
    timer ??= setInterval(ringAll, tickMs)
    return watch
  }

  function stop(): void {
    unlisten?.()
    clearInterval(timer)
    held.stop()
    unlisten = timer = undefined
  }

  return {
    follow(projectId, follower) {
      const watch = watched.get(projectId) ?? open(projectId)
      watch.join(follower)
      return watch
    },
    close: stop,
  }
}

/** The part of a page that is one project's, made once for all of its followers. */
function sharedParts(): (page: TailPage, projectId: string) => TailPage {
  const parts = new WeakMap<TailPage, Map<string, TailPage>>()
  return (page, projectId) => {
    const known = parts.get(page) ?? new Map<string, TailPage>()
    const part = known.get(projectId) ?? { ...page, rows: page.rows.filter((event) => event.projectId === projectId) }
    parts.set(page, known.set(projectId, part))
    return part
  }
}

/** Throttles: works at once, and once more after the rest when it was asked for meanwhile. */
function atMostEvery(everyMs: number, work: () => void): () => void {
  let isResting = false
  let again = false
  return function ask() {
    if (isResting) {
      again = true
      return
    }
    isResting = true
    setTimeout(() => {
      isResting = false
      if (again) ask()
    }, everyMs)
    again = false
    work()
  }
}

/** Tries again after waits that double until the reset, one wait at a time. */
function backingOff(work: () => void) {
  let timer: NodeJS.Timeout | undefined
  let waitMs = HELD_MS_MIN
  return {
    tryLater() {
      if (timer) return
      timer = setTimeout(() => {
        timer = undefined
        work()
      }, waitMs)
      waitMs = Math.min(waitMs * 2, HELD_MS_MAX)
    },
    reset() {
      waitMs = HELD_MS_MIN
    },
    stop() {
      clearTimeout(timer)
      timer = undefined
    },
  }
}

const keyOf = (at: TailCursor): string => `${at.xid}-${at.position}`
