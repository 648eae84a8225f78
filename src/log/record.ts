// A change of rows and the events that say so, in one transaction; after the commit those who listen are rung.
import type { Ctx } from '#bell/ctx.ts'
import type { Topic } from '#bell/topics.ts'
import { type RollBack, type Tx, transact } from '#bell/transact.ts'
import { appendIn } from './append-event.ts'
import type { Appended } from './append-events.sql.ts'
import type { NewEvent } from './new-event.sql.ts'

export type Recorded<T> = {
  result: T
  /** None where nothing changed. */
  events: readonly NewEvent[]
  /** Where else to look; the log and the runs of the events are rung without being named. */
  rings?: readonly Topic[]
}

/** Writes rows, then the events that `write` returns for them: a change cannot be recorded without either. */
export async function record<T>(
  ctx: Pick<Ctx, 'sql' | 'ring'>,
  write: (tx: Tx, rollBack: RollBack<Recorded<T>>) => Promise<Recorded<T>>,
): Promise<T> {
  const { result } = await transact<Recorded<T>>(ctx, async (tx, rollBack) => {
    const recorded = await write(tx, rollBack)
    if (recorded.events.length > 0) await appendIn(tx, recorded.events)
    for (const topic of recorded.rings ?? []) tx.rings.add(topic)
    return recorded
  })
  return result
}

/**
 * Appends an event of a run, then writes rows. The event comes first, since appending it locks the run and checks the
 * lease: `write` finds the run as it stays until the commit. `rollBack` undoes the event too, and rings nobody.
 */
export const recordOfRun = <T>(
  ctx: Pick<Ctx, 'sql' | 'ring'>,
  event: NewEvent & { runId: string },
  write: (tx: Tx, appended: Appended, rollBack: RollBack<T>) => Promise<T>,
): Promise<T> =>
  transact<T>(ctx, async (tx, rollBack) => {
    const [appended] = await appendIn(tx, [event])
    return write(tx, appended!, rollBack)
  })
