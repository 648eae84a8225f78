import { expect, test } from 'vitest'
import { RUN_MOVES } from '../run.ts'
import { OUTCOMES, type Outcome, outcomePatterns } from './outcome.ts'

/** Undefined for a neutral type. */
const outcomeOf = (type: string, patterns = outcomePatterns()): Outcome | undefined =>
  OUTCOMES.find((outcome) => new RegExp(patterns[outcome]).test(type))

test('the last word of an event type determines its outcome', () => {
  expect(outcomeOf('agent.tool_call.completed')).toBe('success')
  expect(outcomeOf('input.approved')).toBe('success')
  expect(outcomeOf('run.timed_out')).toBe('failure')
  expect(outcomeOf('connection.error')).toBe('failure')
  // The last word of several counts as well.
  expect(outcomeOf('run.system_failed')).toBe('failure')
  expect(outcomeOf('failed')).toBe('failure')
})

test('events about starts, progress and human decisions are neutral', () => {
  for (const type of [
    'run.started',
    'run.canceled',
    'input.rejected',
    'schedule.fired',
    'completed.later',
    'run.uncompleted',
  ]) {
    expect([type, outcomeOf(type)]).toEqual([type, undefined])
  }
})

test('every end of a run except a cancel is either a success or a failure', () => {
  const ends = (['complete', 'fail', 'timeOut', 'crash', 'failSystem', 'bury', 'expire'] as const).map(
    (move) => RUN_MOVES[move].event,
  )
  expect(ends.map((type) => outcomeOf(type))).toEqual(['success', ...ends.slice(1).map(() => 'failure')])
})

test('outcomes of event types can be added, changed and removed', () => {
  const own = outcomePatterns({ shipped: 'success', rejected: 'failure', expired: 'neutral' })
  expect(
    ['order.shipped', 'input.rejected', 'run.expired', 'run.completed'].map((type) => outcomeOf(type, own)),
  ).toEqual(['success', 'failure', undefined, 'success'])
})
