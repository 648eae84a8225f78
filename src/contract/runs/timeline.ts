// The timeline of a run: spans in columns, without bodies.
import { Type } from 'typebox'
import { SPAN_KINDS } from '#core/spans/spans.ts'
import { flag, nullable, oneOf, query, RUN_ID, RunPath, time, timeOrNull, whole, withDefault } from '../common.ts'
import { route } from '../route.ts'
import { RUN_STATUS } from './run.ts'

const COUNT_MAX = Number.MAX_SAFE_INTEGER
const column = (description: string) => Type.Array(whole(-COUNT_MAX, COUNT_MAX, ''), { description })
const gappy = (description: string) => Type.Array(nullable(whole(-COUNT_MAX, COUNT_MAX, '')), { description })

const Spans = Type.Object(
  {
    kind: Type.Array(oneOf(SPAN_KINDS, ''), {
      description:
        'attempt; queue, execute, wait and pause: the phases of an attempt; step, tool, model, question and child.',
    }),
    sequence: column('Sequence of the event that the span began with or, for a call, was reported by.'),
    changed: column('Sequence of the latest event that changed it.'),
    parent: gappy('Sequence of the attempt or step that it belongs to; null for an attempt.'),
    attempt: column('Number of the attempt.'),
    name: column('Index in texts: name of the step, tool, model or job; kind of the question; state of the phase.'),
    status: column(
      'Index in texts: open, completed or failed; for an attempt the state of its run then; for a question how it ended.',
    ),
    note: gappy('Index in texts: the error, or the message of a step, up to 200 characters.'),
    start_ms: column('Milliseconds from `origin` to its beginning.'),
    end_ms: gappy('Milliseconds from `origin` to its end; null while it is open.'),
    tokens: gappy('Tokens of a model call.'),
    cost_microusd: gappy('Cost of a model call, in millionths of a US dollar.'),
    ref: gappy('Index in texts: id of the child or of the input request.'),
  },
  { title: 'Spans', description: 'Columns of equal length: one entry per span, by sequence.' },
)

export const getTimeline = route({
  method: 'GET',
  path: '/v1/runs/:run_id/timeline',
  needs: 'runs:read',
  orRunToken: true,
  tag: 'Runs',
  name: 'getTimeline',
  summary:
    'Get the timeline of a run as spans: attempts and their phases, steps, calls, waits, questions and children.',
  description:
    'Spans carry no payloads. A response looks at 50,000 events; if `has_more` is true, or later events are expected, ask ' +
    'again with `after_sequence` set to its `last_sequence`: the response has the spans that began or changed since, ' +
    'which replace those of the same kind and sequence. Children are always those of now. Large responses are compressed ' +
    'for clients that accept gzip.',
  params: RunPath,
  query: query({
    after_sequence: withDefault(whole(0, COUNT_MAX, 'Only spans that began or changed after this event.'), 0),
  }),
  replies: {
    200: Type.Object(
      {
        run_id: RUN_ID,
        status: RUN_STATUS,
        last_sequence: whole(0, COUNT_MAX, 'The latest event that was looked at.'),
        has_more: flag('Whether there are later events.'),
        origin: time('What start_ms and end_ms count from.'),
        texts: Type.Array(Type.String(), { description: 'Texts that the columns refer to by index.' }),
        spans: Spans,
        children: Type.Array(
          Type.Object({
            run_id: RUN_ID,
            job_slug: nullable(Type.String(), 'Slug of the job.'),
            status: RUN_STATUS,
            created_at: time('When it was triggered.'),
            started_at: timeOrNull('When its current or last attempt started.'),
            finished_at: timeOrNull('When it ended.'),
          }),
          { description: 'Children of the run as they are now; the latest 1,000.' },
        ),
      },
      { title: 'Timeline' },
    ),
  },
  refusals: ['run_not_found'],
})
