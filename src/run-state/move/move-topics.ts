// Where a move is to be looked at: derived from the states that it left and reached, so that no caller can forget one.
import { queueTopic, runTopic, type Topic } from '#bell/topics.ts'
import { EXTERNAL_QUEUE } from '#core/queue.ts'
import { placeOf } from '#core/run.ts'
import type { RunChange, RunChanged } from './run-change.sql.ts'

export function topicsOfMoves(changes: readonly RunChange[], changed: readonly RunChanged[]): Set<Topic> {
  const topics = new Set<Topic>()
  changes.forEach((change, index) => {
    const it = changed[index]!
    if (it.outcome === 'moved') for (const topic of topicsOfMove(change, it)) topics.add(topic)
  })
  return topics
}

type Moved = Extract<RunChanged, { outcome: 'moved' }>

function topicsOfMove(change: RunChange, { from, state, queue, wokeWaits }: Moved): Topic[] {
  const place = placeOf(state)
  // Whoever executes an external run holds no lease.
  const isReleased = placeOf(from) === 'lease' && place !== 'lease' && queue !== EXTERNAL_QUEUE
  // Its holder knows; anybody else took it away.
  const isRevoked = isReleased && (change.token === undefined || change.onlyExpired === true)
  return [
    runTopic(change.runId),
    'tail',
    ...(state === 'queued' ? [queueTopic(queue)] : []),
    ...(state === 'delayed' || (place === 'queue' && change.ttlMs !== undefined) ? (['timers'] as const) : []),
    ...(place === 'wait' || wokeWaits ? (['waits'] as const) : []),
    ...(isReleased ? (['slots'] as const) : []),
    ...(isRevoked ? (['leases'] as const) : []),
  ]
}
