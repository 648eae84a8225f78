// Writes down, now and then, that somebody asks for runs of a queue: `why` tells when nobody does.
import { LRUCache } from 'lru-cache'
import type { Ctx } from '#bell/ctx.ts'
import { type Asking, noteAsking } from '#run-state/claim/queue-claimers.sql.ts'

/** Much less than what `why` takes for silence, and too seldom to cost anything. */
const EVERY_MS = 15_000
const QUEUES_MAX = 10_000

/** Never fails and never waits: a claim must not be late for it. */
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
