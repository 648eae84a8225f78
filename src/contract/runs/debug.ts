// Looking into one run: its attempts, and everything there is about it in one answer or one file.
import { type Static, Type } from 'typebox'
import {
  flag,
  INT_MAX,
  listOf,
  nullable,
  oneOf,
  optional,
  paging,
  query,
  RUN_ID,
  RunPath,
  time,
  timeOrNull,
  uuid,
  whole,
} from '../common.ts'
import { Event } from '../event.ts'
import { JobVersion } from '../job.ts'
import { route } from '../route.ts'
import { UsageTotals } from '../usage.ts'
import { Checkpoint, Output, ToolCall, Usage } from './record.ts'
import { ExecutionTrace, RUN_STATUS, Run, Why } from './run.ts'
import { Value } from './state.ts'

const tag = 'Run records'
const COUNT_MAX = Number.MAX_SAFE_INTEGER
const nullableText = (description: string) => nullable(Type.String(), description)

const headers = (description: string) =>
  Type.Unsafe<Record<string, string>>({ type: 'object', additionalProperties: { type: 'string' }, description })
const bytes = (description: string) => whole(0, INT_MAX, description)
const TRACE = nullable(
  Type.Object(ExecutionTrace.properties, { title: 'AttemptTrace' }),
  'Where the time went, as far as it was measured.',
)
const NUMBER = whole(1, INT_MAX, 'Number of the attempt.')

export const Dispatch = Type.Object(
  {
    id: uuid('Id of the record.'),
    attempt: NUMBER,
    owner: Type.String({ description: 'The node that called.' }),
    url: Type.String({ description: 'What was called; secrets in it are masked.' }),
    request_headers: headers('The headers that were sent; secrets are masked, and what is beyond 32 KiB is cut.'),
    request_bytes: bytes('Bytes of the body that was sent.'),
    status: nullable(whole(100, 999, 'Status of the answer.'), 'Status of the answer; null when none came.'),
    response_headers: nullable(headers('The headers of the answer, masked and cut likewise; null when none came.')),
    response_bytes: nullable(bytes('Bytes that were read of the body of the answer.')),
    error: nullableText('Why no usable answer came.'),
    error_code: nullableText('The same in a word.'),
    execution_trace: TRACE,
    started_at: time('When the call began.'),
    recorded_at: time('When it was over, and written down.'),
  },
  { title: 'Dispatch', description: 'What was sent and what came back; kept for runs in debug mode.' },
)
export type Dispatch = Static<typeof Dispatch>

const attempt = {
  attempt: NUMBER,
  sequence: whole(1, COUNT_MAX, 'Sequence of the event that began it.'),
  started_at: time('When it began.'),
  ended_at: timeOrNull('When it ended; null while it is under way.'),
  outcome: nullableText('Type of the event that ended it.'),
  status: nullable(RUN_STATUS, 'State of the run after that.'),
  error: nullableText('What went wrong.'),
  error_code: nullableText('Stable code of what went wrong.'),
  owner: nullableText('The worker or node that it began with.'),
  execution_trace: TRACE,
}

export const Attempt = Type.Object(
  { ...attempt, dispatch: optional(Dispatch) },
  {
    title: 'Attempt',
    description: 'One that was given back, was paused or has waited begins again, and is listed each time.',
  },
)
export type Attempt = Static<typeof Attempt>

export const listAttempts = route({
  method: 'GET',
  path: '/v1/runs/:run_id/attempts',
  needs: 'runs:read',
  tag,
  name: 'listAttempts',
  summary: 'List the attempts of a run, oldest first.',
  params: RunPath,
  query: query(paging),
  replies: { 200: listOf(Attempt, 'AttemptList') },
  refusals: ['run_not_found', 'invalid_cursor'],
})

const RunSummary = Type.Object(
  {
    id: RUN_ID,
    job_slug: nullableText('Slug of the job.'),
    status: RUN_STATUS,
    attempt: whole(0, INT_MAX, 'Number of the current or the next attempt.'),
    lineage_depth: whole(0, INT_MAX, 'How many parents or continuations stand before it.'),
    created_at: time('When it was triggered.'),
  },
  { title: 'RunSummary' },
)

const every = <S extends Parameters<typeof Type.Array>[0]>(item: S, description: string) =>
  Type.Array(item, { description })

export const DebugBundle = Type.Object(
  {
    made_at: time('When the bundle was made.'),
    debug_mode: flag('Whether the run is in debug mode.'),
    truncated: every(
      Type.String(),
      'The lists that do not hold everything, for there was more than a bundle may hold.',
    ),
    run: Run,
    why: Why,
    job_version: optional(JobVersion),
    attempts: every(
      Type.Object({ ...attempt, dispatch_id: nullableText('Its dispatch.') }, { title: 'BundleAttempt' }),
      'The first one first.',
    ),
    dispatches: every(Dispatch, 'What was sent and what came back; in debug mode only.'),
    events: every(Event, 'By sequence.'),
    deltas: every(Event, 'Stream chunks and debug lines that are still kept, by sequence.'),
    checkpoints: every(Checkpoint, 'The latest first.'),
    tool_calls: every(ToolCall, 'By sequence.'),
    usage: every(Usage, 'By sequence.'),
    usage_totals: UsageTotals,
    outputs: every(Output, 'By key.'),
    state: every(Value, 'By key.'),
    children: every(RunSummary, 'The runs that it spawned, the first one first.'),
    lineage: every(RunSummary, 'The chain of continuations that it belongs to, root first.'),
  },
  { title: 'DebugBundle', description: 'All there is about one run, 64 MiB at most.' },
)
export type DebugBundle = Static<typeof DebugBundle>

export const getDebugBundle = route({
  method: 'GET',
  path: '/v1/runs/:run_id/debug-bundle',
  needs: 'runs:read',
  tag,
  name: 'getDebugBundle',
  summary: 'Get the debug bundle: everything about a run, as JSON or as a .zip file.',
  description:
    'A .zip is given with `format=zip`, or without it to a client that sends `Accept: application/zip`. Beyond its bounds (docs/debugging.md) a list is cut, and named in `truncated`.',
  params: RunPath,
  query: query({ format: optional(oneOf(['json', 'zip'], 'What to answer with.')) }),
  download: 'application/zip',
  replies: { 200: DebugBundle },
  refusals: ['run_not_found'],
})
