import { expect, test } from 'vitest'
import { ATTEMPT_EVENTS, type AttemptEvent, attemptsOf } from './attempts.ts'

const at = (second: number) => new Date(1_700_000_000_000 + second * 1_000)
const log = (...events: [type: string, more?: Partial<AttemptEvent>][]): AttemptEvent[] =>
  events.map(([type, more], index) => ({
    type,
    sequence: index + 1,
    attempt: 1,
    occurredAt: at(index + 1),
    actorId: 'worker-1',
    data: null,
    ...more,
  }))

test('an attempt ends with the first event that takes its run out of execution, with its reason', () => {
  const retry = { error: 'no', error_code: 'http_500', state: 'delayed' }
  const attempts = attemptsOf(
    log(
      ['run.created'],
      ['run.queued'],
      ['run.started'],
      ['log'],
      ['run.retry_scheduled', { data: retry }],
      ['run.queued'],
      ['run.started', { attempt: 2, actorId: 'worker-2' }],
      ['run.completed', { attempt: 2, actorId: 'worker-2' }],
    ),
  )
  expect(attempts).toMatchObject([
    {
      attempt: 1,
      sequence: 3,
      startedAt: at(3),
      endedAt: at(5),
      outcome: 'run.retry_scheduled',
      state: 'delayed',
      error: 'no',
      errorCode: 'http_500',
      owner: 'worker-1',
    },
    {
      attempt: 2,
      sequence: 7,
      endedAt: at(8),
      outcome: 'run.completed',
      state: 'completed',
      error: null,
      owner: 'worker-2',
    },
  ])
})

test('an attempt in progress has no end; an immediate retry leaves the run queued', () => {
  const attempts = attemptsOf(
    log(['run.started'], ['run.retry_scheduled', { data: { error: 'no' } }], ['run.started', { attempt: 2 }]),
  )
  expect(attempts.map(({ attempt, state, endedAt }) => ({ attempt, state, endedAt }))).toEqual([
    { attempt: 1, state: 'queued', endedAt: at(2) },
    { attempt: 2, state: null, endedAt: null },
  ])
})

test('a paused attempt starts again; events between attempts belong to none', () => {
  const attempts = attemptsOf(
    log(
      ['run.canceled'],
      ['run.started'],
      ['run.paused'],
      ['run.resumed'],
      ['run.started'],
      ['run.canceled', { actorId: 'me' }],
    ),
  )
  expect(attempts.map(({ attempt, outcome, endedByOwner }) => ({ attempt, outcome, endedByOwner }))).toEqual([
    { attempt: 1, outcome: 'run.paused', endedByOwner: true },
    { attempt: 1, outcome: 'run.canceled', endedByOwner: false },
  ])
})

test('the trace of a handed-over dispatch is found in the log', () => {
  const [attempt] = attemptsOf(
    log(['run.started'], ['run.handed_over', { data: { trace: { ttfb_ms: 3 } } }], ['run.completed']),
  )
  expect(attempt!.trace).toEqual({ ttfb_ms: 3 })
})

test('every event that can end an attempt is known', () => {
  for (const type of ['run.completed', 'run.failed', 'run.crashed', 'run.waiting', 'run.restarted', 'run.requeued'])
    expect(ATTEMPT_EVENTS).toContain(type)
  expect(ATTEMPT_EVENTS).not.toContain('run.queued')
})
