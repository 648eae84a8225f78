// The door to new runs: whatever begins here rings where it is looked for, once it is committed.
import { batched } from '#bell/part.ts'
import { queueTopic, type Topic } from '#bell/topics.ts'
import type { Tx } from '#bell/transact.ts'
import { placeOf } from '#core/run.ts'
import { type InsertedRun, insertRuns, type NewRun } from './insert-runs.sql.ts'

/** One new run, written together with those that others trigger meanwhile. */
export const insertRun = batched<NewRun, InsertedRun>(
  'The queue of triggers',
  async ({ sql, ring }, runs) => {
    const inserted = await insertRuns(sql, runs)
    const topics = topicsOf(inserted)
    if (topics.size > 0) ring(topics)
    return inserted
  },
  {
    keyOf: (run) => run.idempotency && `${run.jobId} ${run.idempotency.key}`,
  },
)

/** Up to 500 new runs as a part of a transaction. Answers in the order of `runs`. */
export async function insertRunsIn(tx: Tx, runs: readonly NewRun[]): Promise<InsertedRun[]> {
  const inserted = await insertRuns(tx, runs)
  for (const topic of topicsOf(inserted)) tx.rings.add(topic)
  return inserted
}

function topicsOf(inserted: readonly InsertedRun[]): Set<Topic> {
  const topics = new Set<Topic>()
  for (const it of inserted) {
    if (it.outcome !== 'created') continue
    topics.add('tail')
    if (it.state === 'queued') topics.add(queueTopic(it.queue))
    else topics.add(placeOf(it.state) === 'wait' ? 'waits' : 'timers')
  }
  return topics
}
