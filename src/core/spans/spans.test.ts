import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RUN_MOVES, type RunState, transitionOf } from '../run.ts'
import { CALL_TYPES, FRAME_TYPES, type RunSpan, type SpanEvent, spansOf } from './spans.ts'

let sequence = 0
const event = (atMs: number, type: string, more: Partial<SpanEvent> = {}): SpanEvent => ({
  sequence: ++sequence,
  type,
  atMs,
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
const created = (state: RunState = 'queued') => event(0, 'run.created', { data: { state } })
const brief = (spans: readonly RunSpan[]) =>
  spans.map(({ kind, name, status, fromMs, toMs }) => `${kind} ${name} ${status} ${fromMs}–${toMs ?? ''}`)

describe('the spans of a run', () => {
  test('are its attempts with their phases', () => {
    const spans = spansOf([
      created(),
      event(2, 'run.started'),
      event(5, 'run.waiting'),
      event(9, 'run.woken'),
      event(10, 'run.started'),
      event(12, 'run.completed'),
    ])
    expect(brief(spans)).toEqual([
      'attempt Attempt 1 completed 0–12',
      'queue queued completed 0–2',
      'execute executing completed 2–5',
      'wait waiting completed 5–9',
      'queue queued completed 9–10',
      'execute executing completed 10–12',
    ])
    expect(new Set(spans.slice(1).map(({ parent }) => parent))).toEqual(new Set([spans[0]!.sequence]))
  })

  test('tell a failed attempt from the one that its retry schedules', () => {
    const spans = spansOf([
      created(),
      event(1, 'run.started'),
      event(2, 'run.retry_scheduled', { data: { state: 'delayed', error: 'no answer' } }),
      event(6, 'run.queued', { attempt: 2 }),
      event(7, 'run.started', { attempt: 2 }),
      event(8, 'run.dead_lettered', { attempt: 2, data: { error: 'gone' } }),
    ])
    const attempts = spans.filter(({ kind }) => kind === 'attempt')
    expect(attempts.map(({ name, status, note, fromMs, toMs }) => [name, status, note, fromMs, toMs])).toEqual([
      ['Attempt 1', 'failed', 'no answer', 0, 2],
      ['Attempt 2', 'dead_letter', 'gone', 2, 8],
    ])
  })

  test('put calls of tools and models below their step', () => {
    const spans = spansOf([
      created(),
      event(1, 'run.started'),
      event(2, 'progress', { step: 'plan', message: 'Make a plan' }),
      event(3, 'agent.tool_call.completed', { step: 'plan', tool: 'planner', durationMs: 0.5 }),
      event(4, 'usage.recorded', { data: { model: 'gpt', total_tokens: 812, cost_microusd: 900 } }),
      event(5, 'progress', { step: 'act' }),
      event(6, 'agent.tool_call.failed', { step: 'act', tool: 'refund', message: 'no such order' }),
      event(7, 'run.completed'),
    ]).filter(({ kind }) => !['queue', 'execute'].includes(kind))
    expect(brief(spans)).toEqual([
      'attempt Attempt 1 completed 0–7',
      'step plan completed 2–5',
      'tool planner completed 2.5–3',
      'model gpt completed 4–4',
      'step act completed 5–7',
      'tool refund failed 6–6',
    ])
    const [attempt, plan, , model, act, refund] = spans
    expect([plan!.parent, model!.parent, act!.parent]).toEqual([attempt!.sequence, plan!.sequence, attempt!.sequence])
    expect([model!.tokens, model!.costMicrousd, refund!.note]).toEqual([812, 900, 'no such order'])
  })

  test('show a question until somebody answers it, and a child by its id', () => {
    const question = { resourceId: 'q1', data: { kind: 'approval' } }
    const log = [
      created(),
      event(1, 'run.started'),
      event(2, 'input.requested', question),
      event(3, 'run.child_spawned', { data: { child_run_id: 'c1', job: 'audit' } }),
    ]
    const open = spansOf(log)
    expect(brief(open).slice(-2)).toEqual(['question approval open 2–', 'child audit open 3–'])
    expect(open.at(-1)!.ref).toBe('c1')
    const answered = spansOf([...log, event(8, 'input.answered', question)])
    expect(brief(answered).at(-2)).toBe('question approval answered 2–8')
  })

  test('begin with the first report of a run that somebody else executes', () => {
    const spans = spansOf([
      event(5, 'tool_result', { tool: 'search', status: 'ok' }),
      event(9, 'run.failed', { message: 'no results' }),
    ])
    expect(brief(spans)).toEqual([
      'attempt Attempt 1 failed 5–9',
      'execute executing completed 5–9',
      'tool search completed 5–5',
    ])
  })

  test('put calls below the step that their cause leads to, though it is told of later', () => {
    const spans = spansOf([
      event(30, 'usage.recorded', { id: 'm', causationId: 't', durationMs: 10, data: { model: 'gpt' } }),
      event(40, 'agent.tool_call.failed', { id: 't', causationId: 's', tool: 'ask', message: 'no', durationMs: 30 }),
      event(50, 'agent.step.completed', { id: 's', step: 'plan', durationMs: 45 }),
    ])
    expect(brief(spans.slice(2))).toEqual([
      'model gpt completed 20–30',
      'tool ask failed 10–40',
      'step plan completed 5–50',
    ])
    const [model, tool, step] = spans.slice(2)
    expect([model!.parent, tool!.parent, step!.parent]).toEqual([step!.sequence, step!.sequence, spans[0]!.sequence])
  })

  test('stay where they are when their causes lead in a circle', () => {
    const spans = spansOf([
      event(1, 'agent.step.completed', { id: 'a', causationId: 'b', step: 'a' }),
      event(2, 'agent.step.completed', { id: 'b', causationId: 'a', step: 'b' }),
      event(3, 'usage.recorded', { id: 'c', causationId: 'b' }),
    ])
    const parents = spans.slice(2).map(({ parent }) => parent)
    expect(parents).toEqual([spans[0]!.sequence, spans[0]!.sequence, spans[0]!.sequence])
  })

  test('of no events are none', () => {
    expect(spansOf([])).toEqual([])
  })
})

const types = fc.constantFrom(...FRAME_TYPES, ...CALL_TYPES)
const anyLog = fc.array(
  fc.record({
    type: types,
    afterMs: fc.nat(1_000),
    attempt: fc.integer({ min: 1, max: 3 }),
    step: fc.option(fc.constantFrom('a', 'b')),
    resourceId: fc.option(fc.constantFrom('q1', 'q2')),
    durationMs: fc.option(fc.nat(500)),
  }),
  { maxLength: 60 },
)

test('whatever is in a log, spans have a parent that is there, end after they began, and are told apart', () => {
  fc.assert(
    fc.property(anyLog, (steps) => {
      let atMs = 0
      const events = steps.map(({ afterMs, ...it }, index) => {
        atMs += afterMs
        return { ...event(atMs, it.type), ...it, atMs, sequence: index + 1 }
      })
      const spans = spansOf(events)
      const parents = new Set(
        spans.filter(({ kind }) => kind === 'attempt' || kind === 'step').map((it) => it.sequence),
      )
      for (const { parent, fromMs, toMs, kind } of spans) {
        if (kind === 'attempt') expect(parent).toBeNull()
        else expect(parents.has(parent!)).toBe(true)
        if (toMs !== null) expect(toMs).toBeGreaterThanOrEqual(fromMs)
      }
      expect(new Set(spans.map(({ kind, sequence: at }) => `${kind}${at}`)).size).toBe(spans.length)
    }),
  )
})

test('what changed since a sequence, put in the place of what was known, is what the whole log shows', () => {
  fc.assert(
    fc.property(anyLog, fc.nat(60), (steps, cut) => {
      let atMs = 0
      const events = steps.map(({ afterMs, ...it }, index) => {
        atMs += afterMs
        return { ...event(atMs, it.type), ...it, atMs, sequence: index + 1 }
      })
      const known = new Map(spansOf(events.slice(0, cut)).map((it) => [`${it.kind}${it.sequence}`, it]))
      const later = events.filter((it) => it.sequence > cut || it.sequence === 1 || FRAME_TYPES.includes(it.type))
      for (const it of spansOf(later)) if (it.changed > cut) known.set(`${it.kind}${it.sequence}`, it)
      const whole = spansOf(events)
      expect([...known.values()].sort((a, b) => a.sequence - b.sequence || a.kind.localeCompare(b.kind))).toEqual(
        whole.sort((a, b) => a.sequence - b.sequence || a.kind.localeCompare(b.kind)),
      )
    }),
  )
})

test('every engine event is a frame', () => {
  for (const { event: type } of Object.values(RUN_MOVES)) {
    expect(FRAME_TYPES).toContain(type)
    expect(transitionOf(type, null)).toBeDefined()
  }
})

test('an event says where its run went only as far as a move of that name may lead there', () => {
  for (const state of ['queued', 'toString', '__proto__', 7])
    expect(transitionOf('run.failed', { state, from: state === 'queued' ? 'waiting' : state })).toEqual({
      from: state === 'queued' ? 'waiting' : 'executing',
      to: 'failed',
    })
  expect(transitionOf('run.retry_scheduled', { state: 'delayed' })?.to).toBe('delayed')
  expect(transitionOf('run.retry_scheduled', { state: 'completed' })?.to).toBe('queued')
})
