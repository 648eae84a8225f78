import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EXTERNAL_QUEUE } from '#core/queue.ts'
import { placeOf, RUN_MOVES, type RunMove } from '#core/run.ts'
import { topicsOfMoves } from './move-topics.ts'
import type { RunChange, RunChanged } from './run-change.sql.ts'

type Moved = Extract<RunChanged, { outcome: 'moved' }>

const ACTOR = { type: 'system', id: null } as const
const about = (move: RunMove, over: Partial<Moved> = {}): Moved => ({
  outcome: 'moved',
  from: RUN_MOVES[move].from[0]!,
  state: RUN_MOVES[move].to,
  attempt: 1,
  sequence: 2,
  queue: 'default',
  wokeWaits: false,
  ...over,
})
const topics = (move: RunMove, change: Partial<RunChange> = {}, moved: Partial<Moved> = {}) =>
  [...topicsOfMoves([{ runId: 'r', move, actor: ACTOR, ...change }], [about(move, moved)])].sort()

test('a completion under its lease rings its run, the log and the slots, and revokes nothing', () => {
  expect(topics('complete', { token: 't' })).toEqual(['run:r', 'slots', 'tail'])
})

test('a move that takes a run from its executor rings the leases too', () => {
  expect(topics('cancel', {}, { from: 'executing' })).toEqual(['leases', 'run:r', 'slots', 'tail'])
  expect(topics('crash', { token: 't', onlyExpired: true })).toEqual(['leases', 'run:r', 'slots', 'tail'])
  expect(topics('cancel', {}, { from: 'queued' })).toEqual(['run:r', 'tail'])
})

test('an external run has no lease, no slot and no queue that anybody claims from', () => {
  expect(topics('complete', {}, { queue: EXTERNAL_QUEUE })).toEqual(['run:r', 'tail'])
})

test('a run that is queued rings its queue, one that is due later the timers, and one that waits the waits', () => {
  expect(topics('wake')).toEqual(['queue:default', 'run:r', 'tail'])
  expect(topics('retryLater', { token: 't' })).toEqual(['run:r', 'slots', 'tail', 'timers'])
  expect(topics('wait', { token: 't' })).toEqual(['run:r', 'slots', 'tail', 'waits'])
  expect(topics('redrive', { ttlMs: 1000 })).toEqual(['queue:default', 'run:r', 'tail', 'timers'])
  expect(topics('complete', { token: 't' }, { wokeWaits: true })).toEqual(['run:r', 'slots', 'tail', 'waits'])
})

test('every move from every state rings the place that it leaves and the one that it reaches', () => {
  const moves = Object.keys(RUN_MOVES) as RunMove[]
  const move = fc.constantFrom(...moves.flatMap((it) => RUN_MOVES[it].from.map((from) => ({ move: it, from }))))
  fc.assert(
    fc.property(move, fc.boolean(), ({ move: name, from }, isHolder) => {
      const rung = topics(name, isHolder ? { token: 't' } : {}, { from })
      const { to } = RUN_MOVES[name]
      expect(rung).toEqual(expect.arrayContaining(['run:r', 'tail']))
      expect(rung.includes('queue:default')).toBe(to === 'queued')
      expect(rung.includes('timers')).toBe(to === 'delayed')
      expect(rung.includes('waits')).toBe(to === 'waiting')
      const isReleased = placeOf(from) === 'lease' && placeOf(to) !== 'lease'
      expect(rung.includes('slots')).toBe(isReleased)
      expect(rung.includes('leases')).toBe(isReleased && !isHolder)
    }),
  )
})

test('what did not move rings nobody', () => {
  const change = { runId: 'r', move: 'cancel', actor: ACTOR } as const
  const outcomes: RunChanged[] = [
    { outcome: 'already', state: 'canceled', attempt: 1 },
    { outcome: 'stale', state: 'executing', attempt: 2 },
    { outcome: 'refused', state: 'completed', attempt: 1 },
    { outcome: 'missing' },
  ]
  expect([...topicsOfMoves(Array(outcomes.length).fill(change), outcomes)]).toEqual([])
})
