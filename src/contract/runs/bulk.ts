// One thing done to many runs: to all of a filter, as an operation that is followed and can be stopped, or to those of a list.
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
import { RunResult } from './run.ts'
import { runFilter } from './run-filter.ts'

const tag = 'Bulk'
const COUNT_MAX = Number.MAX_SAFE_INTEGER

const KIND = oneOf(OPERATION_KINDS, 'What is done to each run.')
const OperationPath = Type.Object({ operation_id: uuid('Id of the operation.') })

export const Operation = Type.Object(
  {
    id: uuid('Id of the operation, and of the event that began it.'),
    kind: KIND,
    status: oneOf(OPERATION_STATES, 'Whether it is under way, or how it ended.'),
    filter: jsonObject('The runs it is for, as they were asked for.'),
    max_runs: nullable(whole(1, INT_MAX, ''), 'How many runs it looks at, at most.'),
    reason: nullable(Type.String(), 'Why; kept in the log.'),
    created_by: Actor,
    expected: nullable(
      whole(0, COUNT_MAX, ''),
      'Runs that matched when it began; null where counting them would have taken too long.',
    ),
    matched: whole(0, COUNT_MAX, 'Runs that it has looked at so far.'),
    done: whole(0, COUNT_MAX, 'Runs of those to which it was done.'),
    skipped: whole(0, COUNT_MAX, 'Runs of those to which it could not be done.'),
    runs_per_second: Type.Number({ minimum: 0, description: 'Runs that it has looked at, per second since it began.' }),
    problems: Type.Array(
      Type.Object({
        run_id: RUN_ID,
        code: Type.String({ description: 'Stable code, as in the error envelope.' }),
        message: Type.String({ description: 'One sentence for a person.' }),
      }),
      { description: 'The first 20 runs that were skipped, and why.' },
    ),
    error: nullable(Type.String(), 'What made it fail.'),
    created_at: time('When it began.'),
    finished_at: timeOrNull('When it was over.'),
  },
  { title: 'Operation' },
)

const OperationPreview = Type.Object(
  {
    dry_run: flag('Nothing was done.'),
    kind: KIND,
    matched: whole(0, COUNT_MAX, 'Runs that it would look at.'),
    matched_is_exact: flag('False when there are more than were counted.'),
    sample: Type.Array(RUN_ID, { description: 'The first few of them, in the order in which it would come to them.' }),
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
    'The filter has the fields of the list of runs, and all must hold; for all runs of the project it is `{"all": true}`, ' +
    'and an empty one is refused. Only runs that are in a state for it when it comes to them are looked at, and none that ' +
    'were triggered after it began. Cancel and replay go from the newest to the oldest, redrive and dismiss ' +
    'from the oldest. A cancel reaches children as well, and dismisses dead letters only if `status` names them. With `dry_run` nothing is done, and the answer is 200 with how many runs there are.',
  body: body({
    kind: KIND,
    filter: body(
      { ...runFilter, all: optional(flag('All runs of the project; goes alone.')) },
      { description: 'Which runs.' },
    ),
    dry_run: optional(flag('Only look.')),
    reason: optional(text(500, 'Why; kept in the log.')),
    max_runs: optional(whole(1, INT_MAX, 'Stop after so many runs.')),
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
  summary: 'Cancel an operation; what it has done stays done.',
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
            replay_id: nullable(Type.String(), 'Id of the new run; null when there is none.'),
          }),
          { description: 'One for each id, in the order of the request.' },
        ),
        total: whole(0, 500, 'Ids in the request.'),
        replayed: whole(0, 500, 'Ids whose run was replayed.'),
        failed: whole(0, 500, 'Ids whose run could not be replayed.'),
      },
      { title: 'ReplayResult' },
    ),
  },
})
