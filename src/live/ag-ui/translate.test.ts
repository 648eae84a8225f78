import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RUN_MOVES } from '#core/run.ts'
import type { AgUiEvent } from './events.ts'
import { type LoggedRow, translateRun } from './translate.ts'

const row = (sequence: number, type: string, more: Partial<LoggedRow> = {}): LoggedRow => ({
  sequence,
  type,
  occurredAt: new Date(1_700_000_000_000),
  attempt: 1,
  step: null,
  tool: null,
  status: null,
  message: null,
  resourceId: null,
  data: null,
  ...more,
})

type Happening = readonly [type: string, more: Partial<LoggedRow>]
const happening = (type: string, more: Partial<LoggedRow> = {}): Happening => [type, more]
const names = fc.constantFrom('a', 'b', 'c')
const happenings = fc.oneof(
  fc.constantFrom(...Object.values(RUN_MOVES)).map(({ event }) => happening(event)),
  fc
    .tuple(names, fc.boolean(), fc.constantFrom('', 'text'))
    .map(([stream_id, done, chunk]) => happening('stream.chunk', { data: { stream_id, done, chunk } })),
  names.map((step) => happening('progress', { step, data: { percent: 5 } })),
  names.map((step) => happening('agent.step.completed', { step })),
  names.map((tool) => happening('agent.tool_call.failed', { tool, message: 'no' })),
  fc
    .tuple(fc.constantFrom('input.requested', 'input.answered', 'input.expired'), names)
    .map(([type, resourceId]) => happening(type, { resourceId, data: { prompt: '?' } })),
  fc.constant(happening('usage.recorded', { data: { total_tokens: 5 } })),
  fc.constant(happening('something.else', { data: [1] })),
)
const logs = fc
  .array(happenings, { minLength: 1, maxLength: 40 })
  .map((all) => all.map(([type, more], index) => row(index + 1, type, more)))

const told = (rows: readonly LoggedRow[]): AgUiEvent[] => {
  const translation = translateRun('run')
  return rows.flatMap((one) => translation.tell(one))
}

/** What the specification asks of a producer; undefined when all is well. */
function problemOf(events: readonly AgUiEvent[]): string | undefined {
  const open = new Set<string>()
  let isActive = false
  let hasErred = false
  const begin = (name: string) => (open.has(name) ? `${name} is open already` : void open.add(name))
  const end = (name: string) => (open.delete(name) ? undefined : `${name} is not open`)
  for (const event of events) {
    let problem: string | undefined
    if (event.type === 'RUN_STARTED') problem = isActive ? 'two runs at once' : undefined
    else if (!isActive && (event.type !== 'RUN_ERROR' || hasErred)) problem = `${event.type} outside of a run`
    else if (event.type === 'TEXT_MESSAGE_START') problem = begin(`message ${event.messageId}`)
    else if (event.type === 'TEXT_MESSAGE_CONTENT')
      problem = event.delta !== '' && open.has(`message ${event.messageId}`) ? undefined : 'no such message'
    else if (event.type === 'TEXT_MESSAGE_END') problem = end(`message ${event.messageId}`)
    else if (event.type === 'TOOL_CALL_START') problem = begin(`call ${event.toolCallId}`)
    else if (event.type === 'TOOL_CALL_END') problem = end(`call ${event.toolCallId}`)
    else if (event.type === 'STEP_STARTED') problem = begin(`step ${event.stepName}`)
    else if (event.type === 'STEP_FINISHED') problem = end(`step ${event.stepName}`)
    else if (event.type === 'RUN_FINISHED') {
      if (open.size > 0) problem = `${[...open]} still open`
      if (event.outcome.type === 'interrupt' && event.outcome.interrupts.length === 0) problem = 'no interrupts'
    }
    if (problem) return problem
    if (event.type === 'RUN_STARTED') [isActive, hasErred] = [true, false]
    if (event.type === 'RUN_FINISHED' || event.type === 'RUN_ERROR') {
      isActive = false
      open.clear()
    }
    if (event.type === 'RUN_ERROR') hasErred = true
  }
  return undefined
}

describe('a run in the words of AG-UI', () => {
  test('keeps the order that the protocol asks for, whatever happens to the run', () => {
    fc.assert(
      fc.property(logs, (rows) => {
        expect(problemOf(told(rows))).toBeUndefined()
      }),
      { numRuns: 3_000 },
    )
  })

  test('gives each part of a thread an id of its own', () => {
    fc.assert(
      fc.property(logs, (rows) => {
        const ids = told(rows).flatMap((event) => (event.type === 'RUN_STARTED' ? [event.runId] : []))
        expect(new Set(ids).size).toBe(ids.length)
      }),
    )
  })

  test('has the state of the client follow the deltas', () => {
    fc.assert(
      fc.property(logs, (rows) => {
        let state: Record<string, unknown> = {}
        for (const event of told(rows)) {
          if (event.type === 'STATE_DELTA')
            for (const { path, value } of event.delta) state = { ...state, [path.slice(1)]: value }
          // A snapshot between two parts says again what was known, and what changed in between.
          if (event.type === 'STATE_SNAPSHOT') state = { ...event.snapshot }
        }
        const tokens = rows.filter(({ type }) => type === 'usage.recorded').length * 5
        expect(Number(state.total_tokens ?? 0)).toBeLessThanOrEqual(tokens)
      }),
    )
  })
})
