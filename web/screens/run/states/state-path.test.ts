import { expect, test } from 'vitest'
import { isFinal, RUN_STATES } from '#core/run.ts'
import { type SpanEvent, spansOf } from '#core/spans/spans.ts'
import { nextOf, pathOf, stepsOf } from './state-path.ts'

const event = (sequence: number, type: string, attempt = 1, data: SpanEvent['data'] = null): SpanEvent => ({
  sequence,
  type,
  atMs: sequence * 1000,
  attempt,
  step: null,
  tool: null,
  status: null,
  message: null,
  durationMs: null,
  resourceId: null,
  data,
})

test('the path of a run leads through the states that it was in, to the one that it is in', () => {
  const events = [
    event(1, 'run.created', 1, { state: 'queued' } as SpanEvent['data']),
    event(2, 'run.started'),
    event(3, 'run.waiting'),
    event(4, 'run.woken'),
    event(5, 'run.started'),
    event(6, 'run.completed'),
  ]
  const spans = new Map(spansOf(events).map((span) => [`${span.kind}-${span.sequence}`, span]))
  const path = pathOf({ spans }, 'completed')
  expect(path).toEqual(['queued', 'executing', 'waiting', 'queued', 'executing', 'completed'])
  expect(stepsOf(path)).toEqual([
    { from: 'queued', to: 'executing', times: 2 },
    { from: 'executing', to: 'waiting', times: 1 },
    { from: 'waiting', to: 'queued', times: 1 },
    { from: 'executing', to: 'completed', times: 1 },
  ])
})

test('a run that has just begun is where it is, and final states lead nowhere', () => {
  expect(pathOf({ spans: new Map() }, 'delayed')).toEqual(['delayed'])
  for (const state of RUN_STATES) expect(nextOf(state).length === 0, state).toBe(isFinal(state))
  expect(nextOf('paused')).toEqual(['queued', 'canceled'])
})
