// A log that is being watched, and its followers. Followers pull: a ring only tells them to look, and what
// they read is shared, so that a thousand at the same position make one query.

export type Page<Row, At> = {
  rows: readonly Row[]
  /** Where to continue: everything up to it has been read. */
  next: At
  /** The read stopped at its limit, not at the end. */
  more: boolean
  /** There is nothing after this page, and nothing will come by itself. */
  over: boolean
  /** There is something that cannot be read yet, and nobody rings when it can be. */
  held?: boolean
}

export type Follower = { wake(): void }

export type Watch<Row, At> = {
  /** Counts the reasons to look. One that came after a read began may concern something that the read did not see. */
  readonly rings: number
  read(after: At): Promise<Page<Row, At>>
  leave(follower: Follower): void
}

export type WatchOptions<Row, At> = {
  read: (after: At) => Promise<Page<Row, At>>
  /** Equal for equal positions. */
  keyOf: (at: At) => string | number
  /** The last follower has left. */
  unwatched: () => void
}

/** The interface for its owner. */
export type OwnedWatch<Row, At> = Watch<Row, At> & { ring(): void; join(follower: Follower): void }

export function makeWatch<Row, At>({ read, keyOf, unwatched }: WatchOptions<Row, At>): OwnedWatch<Row, At> {
  const followers = new Set<Follower>()
  const flights = new Map<string | number, { rings: number; page: Promise<Page<Row, At>> }>()
  let rings = 0
  return {
    get rings() {
      return rings
    },
    read(after) {
      const key = keyOf(after)
      const underway = flights.get(key)
      // A read that began before the latest ring may miss what was rung for, and is useless to those who heard it.
      if (underway?.rings === rings) return underway.page
      const flight = { rings, page: read(after) }
      flights.set(key, flight)
      const forget = () => {
        if (flights.get(key) === flight) flights.delete(key)
      }
      flight.page.then(forget, forget)
      return flight.page
    },
    ring() {
      rings++
      for (const follower of followers) follower.wake()
    },
    join(follower) {
      followers.add(follower)
    },
    leave(follower) {
      if (followers.delete(follower) && followers.size === 0) unwatched()
    },
  }
}
