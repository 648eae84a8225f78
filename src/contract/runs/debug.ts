// Debugging one run: its attempts, and everything about it in one response or file.
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
import { Value } from './values.ts'

const tag = 'Run records'
const COUNT_MAX = Number.MAX_SAFE_INTEGER
const nullableText = (description: string) => nullable(Type.String(), description)

const headers = (description: string) =>
  Type.Unsafe<Record<string, string>>({ type: 'object', additionalProperties: { type: 'string' }, description })
const bytes = (description: string) => whole(0, INT_MAX, description)
const TRACE = nullable(
  Type.Object(ExecutionTrace.properties, { title: 'AttemptTrace' }),
  'Where the time went, as far as measured.',
)
const NUMBER = whole(1, INT_MAX, 'Number of the attempt.')

export const Dispatch = Type.Object(
  {
    id: uuid('Id of the record.'),
    attempt: NUMBER,
    owner: Type.String({ description: 'The node that sent the request.' }),
    url: Type.String({ description: 'URL that was called, with secrets masked.' }),
    request_headers: headers('Request headers, with secrets masked, cut off after 32 KiB.'),
    request_bytes: bytes('Size of the request body in bytes.'),
    status: nullable(
      whole(100, 999, 'HTTP status of the response.'),
      'HTTP status of the response; null when there was none.',
    ),
    response_headers: nullable(
      headers('Response headers, masked and cut off likewise; null when there was no response.'),
    ),
    response_bytes: nullable(bytes('Bytes read of the response body.')),
    error: nullableText('Why there was no usable response.'),
    error_code: nullableText('The same as a code.'),
    execution_trace: TRACE,
    started_at: time('When the call started.'),
    recorded_at: time('When the call ended and was recorded.'),
  },
  { title: 'Dispatch', description: 'A request to the endpoint and its response; recorded for runs in debug mode.' },
)
export type Dispatch = Static<typeof Dispatch>

const attempt = {
  attempt: NUMBER,
  sequence: whole(1, COUNT_MAX, 'Sequence of the event that started it.'),
  started_at: time('When it started.'),
  ended_at: timeOrNull('When it ended; null while it is in progress.'),
  outcome: nullableText('Type of the event that ended it.'),
  status: nullable(RUN_STATUS, 'State of the run after it.'),
  error: nullableText('What went wrong.'),
  error_code: nullableText('Stable code of what went wrong.'),
  owner: nullableText('The worker or node that started it.'),
  execution_trace: TRACE,
}

export const Attempt = Type.Object(
  { ...attempt, dispatch: optional(Dispatch) },
  {
    title: 'Attempt',
    description:
      'An attempt that was returned, was paused or has waited starts again under the same number, and is listed each time.',
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
    lineage_depth: whole(0, INT_MAX, 'Number of parents and continuations before it.'),
    created_at: time('When it was triggered.'),
  },
  { title: 'RunSummary' },
)

const every = <S extends Parameters<typeof Type.Array>[0]>(item: S, description: string) =>
  Type.Array(item, { description })

export const DebugBundle = Type.Object(
  {
    made_at: time('When the bundle was created.'),
    debug_mode: flag('Whether the run is in debug mode.'),
    truncated: every(Type.String(), 'Names of the lists that were cut off at the limits of a bundle.'),
    run: Run,
    why: Why,
    job_version: optional(JobVersion),
    attempts: every(
      Type.Object({ ...attempt, dispatch_id: nullableText('Id of its dispatch.') }, { title: 'BundleAttempt' }),
      'The attempts, oldest first.',
    ),
    dispatches: every(Dispatch, 'Requests to the endpoint and their responses; only in debug mode.'),
    events: every(Event, 'By sequence.'),
    deltas: every(Event, 'Stream chunks and debug logs that are still stored, by sequence.'),
    checkpoints: every(Checkpoint, 'Newest first.'),
    tool_calls: every(ToolCall, 'By sequence.'),
    usage: every(Usage, 'By sequence.'),
    usage_totals: UsageTotals,
    outputs: every(Output, 'By key.'),
    state: every(Value, 'By key.'),
    children: every(RunSummary, 'The runs that it spawned, oldest first.'),
    lineage: every(RunSummary, 'The chain of continuations that it belongs to, root first.'),
  },
  { title: 'DebugBundle', description: 'Everything about one run, at most 64 MiB.' },
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
    'The response is a .zip file with `format=zip`, or when the client sends `Accept: application/zip` without `format`. A list that exceeds its limit (docs/debugging.md) is cut off and named in `truncated`.',
  params: RunPath,
  query: query({ format: optional(oneOf(['json', 'zip'], 'Format of the response.')) }),
  download: 'application/zip',
  replies: { 200: DebugBundle },
  refusals: ['run_not_found'],
})
