// Bulk operations: one action on all runs that match a filter, in the background and cancelable; or on a list of ids.
import { Type } from 'typebox'
import { OPERATION_KINDS, OPERATION_STATES } from '#core/operation.ts'
import {
  Actor,
  body,
  flag,
  INT_MAX,
  jsonObject,
  listOf,
  nullable,
  oneOf,
  optional,
  paging,
  query,
  RUN_ID,
  text,
  time,
  timeOrNull,
  uuid,
  whole,
} from '../common.ts'
import { route } from '../route.ts'
import { RUN_STATUS, RunResult } from './run.ts'
import { runFilter } from './run-filter.ts'

const tag = 'Bulk'
const COUNT_MAX = Number.MAX_SAFE_INTEGER

const KIND = oneOf(OPERATION_KINDS, 'What is done to each run.')
const OperationPath = Type.Object({ operation_id: uuid('Id of the operation.') })

export const Operation = Type.Object(
  {
    id: uuid('Id of the operation, and of the event that started it.'),
    kind: KIND,
    status: oneOf(OPERATION_STATES, 'Whether it is in progress, or how it ended.'),
    filter: jsonObject('The filter, as it was sent.'),
    max_runs: nullable(whole(1, INT_MAX, ''), 'Maximum number of runs to process.'),
    reason: nullable(Type.String(), 'Why; stored in the event log.'),
    created_by: Actor,
    expected: nullable(
      whole(0, COUNT_MAX, ''),
      'Runs that matched at the start; null when counting them would have taken too long.',
    ),
    matched: whole(0, COUNT_MAX, 'Runs processed so far.'),
    done: whole(0, COUNT_MAX, 'Processed runs on which the action succeeded.'),
    skipped: whole(0, COUNT_MAX, 'Processed runs that were skipped.'),
    runs_per_second: Type.Number({ minimum: 0, description: 'Runs processed per second since the start.' }),
    problems: Type.Array(
      Type.Object({
        run_id: RUN_ID,
        code: Type.String({ description: 'Stable code, as in the error envelope.' }),
        message: Type.String({ description: 'A sentence for people; may change between versions.' }),
      }),
      { description: 'The first 20 runs that were skipped, and why.' },
    ),
    error: nullable(Type.String(), 'Why the operation failed.'),
    created_at: time('When it started.'),
    finished_at: timeOrNull('When it ended.'),
  },
  { title: 'Operation' },
)

const OperationPreview = Type.Object(
  {
    dry_run: flag('True: nothing was changed.'),
    kind: KIND,
    matched: whole(0, COUNT_MAX, 'Runs that it would process.'),
    matched_is_exact: flag('False when there are more runs than were counted.'),
    by_status: Type.Array(Type.Object({ status: RUN_STATUS, count: whole(1, COUNT_MAX, 'Runs with this status.') }), {
      description: 'How many of the runs that were counted have which status, most first; `max_runs` aside.',
    }),
    sample: Type.Array(RUN_ID, { description: 'The first few of those runs, in processing order.' }),
  },
  { title: 'OperationPreview' },
)

export const startOperation = route({
  method: 'POST',
  path: '/v1/operations',
  needs: 'runs:write',
  tag,
  name: 'startOperation',
  summary: 'Start an operation: cancel, replay, redrive or dismiss all runs that match a filter, in the background.',
  description:
    'The filter has the same fields as the list of runs, combined with AND; `{"all": true}` selects all runs of the project, ' +
    'and an empty filter is refused. Only runs in a suitable state when their turn comes are processed, and none that ' +
    'were triggered after the start. Cancel and replay go from newest to oldest, redrive and dismiss ' +
    'from oldest to newest. A cancel also cancels children, and dismisses dead letters only if `status` names them; a replay takes completed runs ' +
    'only if `status` names them. With `dry_run` nothing is changed, and the response is 200 with the number of matching runs.',
  body: body({
    kind: KIND,
    filter: body(
      { ...runFilter, all: optional(flag('All runs of the project; cannot be combined with other fields.')) },
      { description: 'Which runs to process.' },
    ),
    dry_run: optional(flag('Only count the runs; change nothing.')),
    reason: optional(text(500, 'Why; stored in the event log.')),
    max_runs: optional(whole(1, INT_MAX, 'Stop after this many runs.')),
  }),
  replies: { 202: Operation, 200: OperationPreview },
  refusals: ['job_not_found', 'run_not_found'],
})

export const listOperations = route({
  method: 'GET',
  path: '/v1/operations',
  needs: 'runs:read',
  tag,
  name: 'listOperations',
  summary: 'List operations, newest first.',
  query: query(paging),
  replies: { 200: listOf(Operation, 'OperationList') },
  refusals: ['invalid_cursor'],
})

export const getOperation = route({
  method: 'GET',
  path: '/v1/operations/:operation_id',
  needs: 'runs:read',
  tag,
  name: 'getOperation',
  summary: 'Get an operation and its progress.',
  params: OperationPath,
  replies: { 200: Operation },
  refusals: ['operation_not_found'],
})

export const cancelOperation = route({
  method: 'DELETE',
  path: '/v1/operations/:operation_id',
  needs: 'runs:write',
  tag,
  name: 'cancelOperation',
  summary: 'Cancel an operation; what it has already done is not undone.',
  params: OperationPath,
  replies: { 200: Operation },
  refusals: ['operation_not_found', 'operation_over'],
})

export const replayRuns = route({
  method: 'POST',
  path: '/v1/runs/bulk-replay',
  needs: 'runs:write',
  tag,
  name: 'replayRuns',
  summary: 'Replay up to 500 runs, with one result each.',
  description: 'An id given twice is replayed once.',
  body: body({ run_ids: Type.Array(RUN_ID, { minItems: 1, maxItems: 500, description: 'Ids of the runs.' }) }),
  replies: {
    200: Type.Object(
      {
        results: Type.Array(
          Type.Object({
            ...RunResult.properties,
            replay_id: nullable(Type.String(), 'Id of the new run; null when none was created.'),
          }),
          { description: 'One result per id, in request order.' },
        ),
        total: whole(0, 500, 'Ids in the request.'),
        replayed: whole(0, 500, 'Runs that were replayed.'),
        failed: whole(0, 500, 'Runs that could not be replayed.'),
      },
      { title: 'ReplayResult' },
    ),
  },
})
