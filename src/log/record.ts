// A change of rows and the events that say so, in one transaction; after the commit those who listen are rung.
import type { Ctx } from '#bell/ctx.ts'
import { runTopic, type Topic } from '#bell/topics.ts'
import type { Db } from '#postgres/sql.ts'
import { type Appended, appendEvents } from './append-events.sql.ts'
import type { NewEvent } from './new-event.sql.ts'
import { type RollBack, transact } from './transact.ts'

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
  write: (tx: Db, rollBack: RollBack<Recorded<T>>) => Promise<Recorded<T>>,
): Promise<T> {
  const {
    result,
    events,
    rings = [],
  } = await transact<Recorded<T>>(ctx.sql, async (tx, rollBack) => {
    const recorded = await write(tx, rollBack)
    if (recorded.events.length > 0) await appendEvents(tx, recorded.events)
    return recorded
  })
  ring(ctx, events, rings)
  return result
}

type OfRun<T> = { result: T; rings?: readonly Topic[] }

/**
 * Appends an event of a run, then writes rows. The event comes first, since appending it locks the run and checks the
 * lease: `write` finds the run as it stays until the commit. `rollBack` undoes the event too, and rings nobody.
 */
export async function recordOfRun<T>(
  ctx: Pick<Ctx, 'sql' | 'ring'>,
  event: NewEvent & { runId: string },
  write: (tx: Db, appended: Appended, rollBack: RollBack<T>) => Promise<OfRun<T>>,
): Promise<T> {
  type Done = OfRun<T> & { events: readonly NewEvent[] }
  const {
    result,
    events,
    rings = [],
  } = await transact<Done>(ctx.sql, async (tx, rollBack) => {
    const [appended] = await appendEvents(tx, [event])
    const done = await write(tx, appended!, (undone) => rollBack({ result: undone, events: [] }))
    return { ...done, events: [event] }
  })
  ring(ctx, events, rings)
  return result
}

function ring(ctx: Pick<Ctx, 'ring'>, events: readonly NewEvent[], rings: readonly Topic[]): void {
  const runs = events.flatMap(({ runId }) => (runId ? [runTopic(runId)] : []))
  const topics = new Set<Topic>([...runs, ...rings, ...(events.length > 0 ? (['tail'] as const) : [])])
  if (topics.size > 0) ctx.ring(topics)
}
