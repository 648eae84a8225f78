// Records, now and then, that workers are asking for runs of a queue: `why` reports when none are.
import { LRUCache } from 'lru-cache'
import type { Ctx } from '#bell/ctx.ts'
import { type Asking, noteAsking } from '#run-state/claim/queue-claimers.sql.ts'

/** Much shorter than what `why` considers silence, and too seldom to cost anything. */
const EVERY_MS = 15_000
const QUEUES_MAX = 10_000

/** Never fails and never waits: a claim must not be delayed by it. */
export function makeAskingTeller({ sql, log }: Pick<Ctx, 'sql' | 'log'>): (asking: Asking) => void {
  const told = new LRUCache<string, true>({ max: QUEUES_MAX, ttl: EVERY_MS })
  return ({ projectId, queues }) => {
    const untold = queues.filter((queue) => !told.has(`${projectId} ${queue}`))
    if (untold.length === 0) return
    for (const queue of untold) told.set(`${projectId} ${queue}`, true)
    noteAsking(sql, { projectId, queues: [...new Set(untold)] }).catch((error: unknown) =>
      log.debug({ err: error }, 'could not record that a worker is asking for runs'),
    )
  }
}
