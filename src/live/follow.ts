// A log as an endless sequence, for those who are few: catching up and being live are the same loop, so there is no
// seam between them to lose an event in. Streams to clients are many, and do the same with less (sse.ts).
import type { Ear } from '#storage/ear.ts'
import type { Page } from './watch.ts'

/** How late something is noticed whose ring was lost. */
const LOOK_EVERY_MS = 2_000

/** Every row that `read` will ever return after `cursor`. The consumer pulls: one that is slow holds one page. */
export async function* follow<Row, At>(
  read: (after: At) => Promise<Page<Row, At>>,
  wake: Pick<Ear, 'next'>,
  cursor: At,
  signal: AbortSignal,
): AsyncGenerator<Row, void> {
  let after = cursor
  while (!signal.aborted) {
    // The ear was open before this read began, and remembers: a ring in the middle of it ends the wait below at once.
    const page = await read(after)
    for (const row of page.rows) {
      if (signal.aborted) return
      yield row
    }
    after = page.next
    if (page.more) continue
    if (page.over) return
    await wake.next(LOOK_EVERY_MS, signal)
  }
}
