// Timelines of runs that never were, from the events that they would have had.
import { type SpanEvent, spansOf } from '#core/spans/spans.ts'
import type { RunTimeline } from '../screens/run/timeline/read-timeline.ts'
import { ago } from './samples.ts'

const BEGAN_MS = Date.parse(ago(120_000))
const at = (secs: number): string => new Date(BEGAN_MS + secs * 1_000).toISOString()

type Told = readonly [secs: number, type: string, more?: Partial<SpanEvent>]

const timelineOf = (events: readonly Told[], children: RunTimeline['children'] = []): RunTimeline => {
  const told = events.map(([secs, type, more], index) => ({
    ...NOTHING,
    ...more,
    type,
    sequence: index + 1,
    atMs: BEGAN_MS + secs * 1_000,
  }))
  const spans = spansOf(told).map((span) => [`${span.kind}-${span.sequence}`, span] as const)
  return { spans: new Map(spans), children, lastSequence: events.length, hasMore: false }
}

const NOTHING = {
  attempt: 1,
  step: null,
  tool: null,
  status: null,
  message: null,
  durationMs: null,
  resourceId: null,
  data: null,
}
const USAGE = { model: 'gpt', prompt_tokens: 800, completion_tokens: 12, cost_microusd: 900 }
const SEARCH = { tool: 'search', status: 'completed', durationMs: 500 }
const QUESTION = { resourceId: 'question', data: { kind: 'approval' } }
const CHILDREN = ['a', 'b', 'c', 'd']

export const QUEUED: RunTimeline = timelineOf([[0, 'run.created', { data: { state: 'queued' } }]])

export const BUSY: RunTimeline = timelineOf(
  [
    [0, 'run.created', { data: { state: 'queued' } }],
    [2, 'run.started'],
    [4, 'progress', { step: 'plan', message: 'Make a plan' }],
    [5, 'usage.recorded', { step: 'plan', data: USAGE }],
    ...Array.from({ length: 8 }, (_, nth): Told => [6 + nth, 'agent.tool_call.completed', SEARCH]),
    [15, 'agent.tool_call.failed', { tool: 'refund', durationMs: 900, message: 'No such order' }],
    ...CHILDREN.map((id): Told => [16, 'run.child_spawned', { data: { child_run_id: id } }]),
    [18, 'input.requested', QUESTION],
    [18, 'run.waiting'],
    [80, 'input.approved', QUESTION],
    [80, 'run.woken'],
    [82, 'run.started'],
    [100, 'run.completed'],
  ],
  CHILDREN.map((run_id, nth) => ({
    run_id,
    job_slug: 'audit',
    status: nth === 2 ? 'failed' : 'completed',
    created_at: at(16),
    started_at: at(17),
    finished_at: at(20 + nth),
  })),
)
