// A log as an endless sequence, for readers who are few: catching up and being live are the same loop, so there is no
// seam between them to lose an event in. Streams to clients are many, and do the same with less (stream.ts).
import type { Listening } from '#storage/listening.ts'
import type { Page } from './watch.ts'

/** How late something is noticed whose ring was lost. */
const LOOK_EVERY_MS = 2_000
const HELD_MS = 20

/** Every row that `read` will ever return after `cursor`. The consumer pulls: one that is slow holds one page. */
export async function* follow<Row, At>(
  read: (after: At) => Promise<Page<Row, At>>,
  listen: () => Listening,
  cursor: At,
  signal: AbortSignal,
): AsyncGenerator<Row, void> {
  let after = cursor
  while (!signal.aborted) {
    const rings = listen() // Before reading: a ring in the middle of it must still end the wait below.
    try {
      const page = await read(after)
      for (const row of page.rows) {
        if (signal.aborted) return
        yield row
      }
      after = page.next
      if (page.over && !page.more) return
      if (!page.more) await rings.rung(page.held ? HELD_MS : LOOK_EVERY_MS, signal)
    } finally {
      rings.close()
    }
  }
}
