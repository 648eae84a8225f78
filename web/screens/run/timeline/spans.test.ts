import { describe, expect, test } from 'vitest'
import { type SpanEvent, spansOf as spansOfLog } from '#core/spans/spans.ts'
import type { ChildRun } from './read-timeline.ts'
import { scaleOf } from './scale.ts'
import { endOf, foldedFrom, foldedOf, spansOf, startOf, tookWords, unfolded } from './spans.ts'

const BEGIN = Date.parse('2026-01-01T00:00:00Z')
const at = (secs: number) => new Date(BEGIN + secs * 1000).toISOString()

let sequence = 0
const event = (secs: number, type: string, more: Partial<SpanEvent> = {}): SpanEvent => ({
  sequence: ++sequence,
  type,
  atMs: BEGIN + secs * 1000,
  attempt: 1,
  step: null,
  tool: null,
  status: null,
  message: null,
  durationMs: null,
  resourceId: null,
  data: null,
  ...more,
})

const rowsOf = (events: SpanEvent[], children: ChildRun[] = []) =>
  spansOf({ spans: new Map(spansOfLog(events).map((span) => [`${span.kind}-${span.sequence}`, span])), children })

const kinds = (events: SpanEvent[], children: ChildRun[] = []) =>
  rowsOf(events, children).map(({ depth, kind, name, note }) => `${' '.repeat(depth)}${kind} ${name} ${note}`.trimEnd())

describe('the spans of a run', () => {
  test('an attempt has its time in the queue, its work and its waits as segments of one bar', () => {
    const [attempt] = rowsOf(
      [
        event(0, 'run.created', { data: { state: 'queued' } }),
        event(2, 'run.started'),
        event(5, 'run.waiting'),
        event(9, 'run.woken'),
        event(10, 'run.started'),
        event(12, 'run.completed'),
      ],
      [],
    )
    expect(
      attempt!.segments.map(({ kind, fromMs, toMs }) => [kind, (fromMs - BEGIN) / 1000, (Number(toMs) - BEGIN) / 1000]),
    ).toEqual([
      ['queue', 0, 2],
      ['run', 2, 5],
      ['wait', 5, 9],
      ['queue', 9, 10],
      ['run', 10, 12],
    ])
    expect(attempt!.tone).toBe('ok')
    expect(tookWords(attempt!)).toBe('9.0 s')
  })

  test('an attempt that failed stands beside the one that its retry schedules', () => {
    const retry = { state: 'delayed', from: 'executing', error: 'no answer in 3 s' } as const
    const spans = rowsOf(
      [
        event(0, 'run.created', { data: { state: 'queued' } }),
        event(1, 'run.started'),
        event(2, 'run.retry_scheduled', { data: retry }),
        event(6, 'run.queued', { attempt: 2 }),
        event(7, 'run.started', { attempt: 2 }),
        event(8, 'run.completed', { attempt: 2 }),
      ],
      [],
    )
    expect(spans.map(({ name, note, isError }) => [name, note, isError])).toEqual([
      ['Attempt 1', 'no answer in 3 s', true],
      ['Attempt 2', 'completed', false],
    ])
    expect(startOf(spans[1]!)).toBe(BEGIN + 2000)
  })

  test('calls of tools and models stand below the step that they belong to', () => {
    const usage = { model: 'gpt', total_tokens: 812, cost_microusd: 900 }
    expect(
      kinds([
        event(0, 'run.created', { data: { state: 'queued' } }),
        event(1, 'run.started'),
        event(2, 'progress', { step: 'plan', message: 'Make a plan' }),
        event(3, 'agent.tool_call.completed', { step: 'plan', tool: 'planner', durationMs: 500 }),
        event(4, 'usage.recorded', { data: usage }),
        event(5, 'progress', { step: 'act' }),
        event(6, 'agent.tool_call.failed', { step: 'act', tool: 'refund', message: 'no such order' }),
        event(7, 'run.completed'),
      ]),
    ).toEqual([
      'attempt Attempt 1 completed',
      ' step plan Make a plan',
      '  tool planner',
      '  model gpt 812 tok · $0.0009',
      ' step act',
      '  tool refund no such order',
    ])
  })

  test('a question lasts until somebody answers it', () => {
    const asked = { resourceId: 'q1', data: { kind: 'approval' } }
    const open = rowsOf(
      [
        event(0, 'run.created', { data: { state: 'queued' } }),
        event(1, 'run.started'),
        event(2, 'input.requested', asked),
      ],
      [],
    )
    expect(endOf(open.find(({ kind }) => kind === 'question')!)).toBeNull()
    const answered = rowsOf(
      [
        event(0, 'run.created', { data: { state: 'queued' } }),
        event(1, 'run.started'),
        event(2, 'input.requested', asked),
        event(8, 'input.approved', asked),
      ],
      [],
    )
    const question = answered.find(({ kind }) => kind === 'question')!
    expect([endOf(question), question.note, question.tone]).toEqual([BEGIN + 8000, 'approved', 'ok'])
  })

  test('many children stand together on one row, with how they ended', () => {
    const child = (run_id: string, status: ChildRun['status']): ChildRun => ({
      run_id,
      job_slug: 'audit',
      status,
      created_at: at(2),
      started_at: at(3),
      finished_at: status === 'executing' ? null : at(5),
    })
    const ids = ['a', 'b', 'c', 'd']
    const events = [
      event(0, 'run.created', { data: { state: 'queued' } }),
      event(1, 'run.started'),
      ...ids.map((child_run_id) => event(2, 'run.child_spawned', { data: { child_run_id } })),
    ]
    const children = [child('a', 'completed'), child('b', 'completed'), child('c', 'failed'), child('d', 'executing')]
    const spans = rowsOf(events, children)
    expect(spans.find(({ kind }) => kind === 'children')).toMatchObject({
      name: '4 children',
      note: '2 completed, 1 failed, 1 executing',
      isError: true,
    })
    expect(spans.filter(({ parent }) => parent === 'children')).toHaveLength(4)
    expect(kinds(events.slice(0, 4), children)).toEqual([
      'attempt Attempt 1',
      ' child audit completed',
      ' child audit completed',
    ])
  })

  test('the log of a run that has just begun is a span, and an empty one is none', () => {
    expect(rowsOf([])).toEqual([])
    expect(kinds([event(0, 'run.created', { data: { state: 'delayed' } })])).toEqual(['attempt Attempt 1 delayed'])
  })
})

describe('equal siblings', () => {
  const call = (secs: number, tool: string, status = 'completed') =>
    event(secs, `agent.tool_call.${status}`, { tool, status, durationMs: 500 })
  const run = (calls: SpanEvent[]) =>
    rowsOf([event(0, 'run.created', { data: { state: 'queued' } }), event(0, 'run.started'), ...calls])

  test('stand together on one row when there are more than five, and open below it', () => {
    const calls = Array.from({ length: 7 }, (_, at) => [call(at * 2 + 1, 'search', at === 3 ? 'failed' : 'completed')])
    const spans = run([...calls.flat(), call(20, 'mail')])
    const [attempt, group] = spans
    expect(group).toMatchObject({ name: 'search × 7', note: '1 failed', isGroup: true, parent: attempt!.id, depth: 1 })
    expect(spans.filter(({ parent }) => parent === group!.id)).toHaveLength(7)
    const shown = (toggled: string[]) => unfolded(spans, foldedOf(spans, new Set(toggled))).map(({ name }) => name)
    expect(shown([])).toEqual([attempt!.name, 'search × 7', 'mail'])
    expect(shown([group!.id])).toEqual([attempt!.name, 'search × 7', ...Array(7).fill('search'), 'mail'])
    expect(unfolded(spans, foldedOf(spans, foldedFrom(spans, 0)))).toEqual([attempt])
    expect(unfolded(spans, foldedOf(spans, foldedFrom(spans, 9)))).toEqual(spans)
  })

  test('stay apart when they are few, or when something stands below them', () => {
    expect(run(Array.from({ length: 5 }, (_, at) => call(at, 'search'))).some(({ isGroup }) => isGroup)).toBe(false)
  })

  test('a row of very many draws a bar for each burst of them, and a hundred at most', () => {
    const bursts = (howMany: number, each: number) =>
      Array.from({ length: howMany * each }, (_, at) => call(Math.floor(at / each) * 1_000 + (at % each) + 1, 'search'))
    const [, apart] = run(bursts(60, 30))
    expect(apart!.segments).toHaveLength(60)
    const [, dense] = run(bursts(500, 4))
    expect(dense!.segments.length).toBeLessThanOrEqual(101)
    expect(endOf(dense!)! - startOf(dense!)).toBe(499 * 1_000_000 + 3_000 + 500)
  })
})

describe('the scale of the timeline', () => {
  const waited = rowsOf(
    [
      event(0, 'run.created', { data: { state: 'queued' } }),
      event(0, 'run.started'),
      event(10, 'run.waiting'),
      event(3600, 'run.woken'),
      event(3600, 'run.started'),
      event(3610, 'run.completed'),
    ],
    [],
  )

  test('an hour of waiting does not squeeze the work before and after it', () => {
    const scale = scaleOf(waited, { nowMs: BEGIN, collapsesIdle: true })
    expect(scale.gaps).toHaveLength(1)
    expect(scale.at(BEGIN + 10_000)).toBeCloseTo(0.48)
    expect(scale.at(BEGIN + 3_600_000)).toBeCloseTo(0.52)
    expect(scale.at(BEGIN + 3_610_000)).toBeCloseTo(1)
  })

  test('without collapsing, places are to scale', () => {
    const scale = scaleOf(waited, { nowMs: BEGIN, collapsesIdle: false })
    expect(scale.gaps).toEqual([])
    expect(scale.at(BEGIN + 10_000)).toBeCloseTo(10 / 3610)
  })

  test('later times never stand before earlier ones', () => {
    const scale = scaleOf(waited, { nowMs: BEGIN, collapsesIdle: true })
    const places = Array.from({ length: 400 }, (_, index) => scale.at(BEGIN + index * 10_000))
    expect(places).toEqual([...places].sort((a, b) => a - b))
    expect(Math.min(...places)).toBe(0)
    expect(Math.max(...places)).toBe(1)
  })

  test('zoomed to a span it has that span with a margin, and what lies elsewhere is beyond its ends', () => {
    const first = waited.find(({ kind }) => kind === 'attempt')!
    const span = { ...first, segments: [{ kind: 'run' as const, fromMs: BEGIN + 2_000, toMs: BEGIN + 6_000 }] }
    const { at: placeOf, ticks, gaps } = scaleOf(waited, { nowMs: BEGIN, collapsesIdle: true, zoomed: span })
    expect(placeOf(BEGIN + 2_000)).toBeCloseTo(0.037)
    expect(placeOf(BEGIN + 4_000)).toBeCloseTo(0.5)
    expect(placeOf(BEGIN + 6_000)).toBeCloseTo(0.963)
    expect([placeOf(BEGIN), placeOf(BEGIN + 3_610_000)]).toEqual([-0.25, 1.25])
    expect(gaps).toEqual([])
    expect(ticks.map(({ ms }) => ms).every((ms) => ms > BEGIN + 1_000 && ms < BEGIN + 7_000)).toBe(true)
  })

  test('zoomed to the whole attempt, its waiting is still drawn short', () => {
    const scale = scaleOf(waited, { nowMs: BEGIN, collapsesIdle: true, zoomed: waited[0] })
    expect(scale.gaps).toHaveLength(1)
    expect(scale.at(BEGIN + 3_600_000) - scale.at(BEGIN + 10_000)).toBeCloseTo(0.04)
  })

  test('a run that has only waited so far is drawn to scale', () => {
    const queued = rowsOf([event(0, 'run.created', { data: { state: 'queued' } })])
    const scale = scaleOf(queued, { nowMs: BEGIN + 10_000, collapsesIdle: true })
    expect([0, 5_000, 10_000].map((ms) => scale.at(BEGIN + ms))).toEqual([0, 0.5, 1])
  })
})
