// The logs of whole projects, followed live. All followers of all projects share one reader: the log's order does
// not depend on projects, so a reader of one passes the events of all of them anyway.
import type { Rung } from '#bell/bell.ts'
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
  const parts = new WeakMap<TailPage, Map<string, TailPage>>()
  let unlisten: (() => void) | undefined
  let timer: NodeJS.Timeout | undefined
  let resting: NodeJS.Timeout | undefined
  let ringAfterRest = false
  let held: NodeJS.Timeout | undefined
  let heldMs = HELD_MS_MIN
  let failing = false

  // Never followed itself; it makes sharing of reads possible.
  const all = makeWatch<TailEvent, TailCursor>({ read, keyOf, unwatched: () => {} })

  async function read(after: TailCursor): Promise<TailPage> {
    try {
      const page = await readTail(sql, { after, projectIds: [...watched.keys()], ...PAGE })
      failing = false
      if (page.held && !page.more) lookWhenLetGo()
      else if (!page.held) heldMs = HELD_MS_MIN
      return { rows: page.events, next: page.next, more: page.more, over: false, held: page.held }
    } catch (error) {
      if (!failing) log(`The event log cannot be read; streams wait until it can: ${(error as Error).message}`)
      failing = true
      throw error
    }
  }

  /** A transaction that does not ring may hold events back, and nobody rings when it ends. */
  function lookWhenLetGo(): void {
    if (held) return
    held = setTimeout(() => {
      held = undefined
      ringAll()
    }, heldMs)
    heldMs = Math.min(heldMs * 2, HELD_MS_MAX)
  }

  function partOf(page: TailPage, projectId: string): TailPage {
    const known = parts.get(page) ?? new Map<string, TailPage>()
    const part = known.get(projectId) ?? { ...page, rows: page.rows.filter((event) => event.projectId === projectId) }
    parts.set(page, known.set(projectId, part))
    return part
  }

  function ringAll(): void {
    all.ring()
    for (const watch of watched.values()) watch.ring()
  }

  function hear(_rung: Rung): void {
    if (resting) {
      ringAfterRest = true
      return
    }
    resting = setTimeout(() => {
      resting = undefined
      if (ringAfterRest) hear('named')
    }, LOOK_EVERY_MS)
    ringAfterRest = false
    ringAll()
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
    clearTimeout(held)
    unlisten = timer = held = undefined
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

const keyOf = (at: TailCursor): string => `${at.xid}-${at.position}`
