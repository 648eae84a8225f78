// How runs ended: counts by the hour, and failures in groups.
import { Type } from 'typebox'
import { OVER_STATES } from '#core/run.ts'
import {
  commaList,
  flag,
  JOB,
  listOf,
  notEmpty,
  nullable,
  oneOf,
  optional,
  paging,
  query,
  time,
  whole,
  withDefault,
} from '../common.ts'
import { route } from '../route.ts'
import { ERROR_GROUP } from './run-filter.ts'

const tag = 'Runs'
const COUNT_MAX = Number.MAX_SAFE_INTEGER

const WINDOW = {
  job: optional(JOB),
  from: optional(time('Start of the window; defaults to 24 hours before `to`.')),
  to: optional(time('End of the window; defaults to now.')),
}
const jobFields = {
  job_id: nullable(Type.String(), 'Id of the job; null for external runs without one.'),
  job_slug: nullable(Type.String(), 'Slug of the job.'),
}

const GROUPS = ['hour', 'day', 'job', 'status'] as const

const RunSum = Type.Object(
  {
    hour: optional(time('Start of the hour.')),
    day: optional(Type.String({ description: 'The day (UTC).', examples: ['2026-01-31'] })),
    job_id: optional(jobFields.job_id),
    job_slug: optional(jobFields.job_slug),
    status: optional(oneOf(OVER_STATES, 'How the runs ended.')),
    count: whole(0, COUNT_MAX, 'Runs that ended like this.'),
  },
  { title: 'RunSum', description: 'How many runs of one group ended, with the fields grouped by.' },
)

export const aggregateRuns = route({
  method: 'GET',
  path: '/v1/runs/aggregate',
  needs: 'runs:read',
  tag,
  name: 'aggregateRuns',
  summary: 'Count how runs ended, by hour or day, job and status.',
  description:
    'Counted are ends: a dead letter that is redriven and fails again has ended twice. The counters are kept per hour (UTC) ' +
    'as runs end, and every hour that the window touches counts in full. Runs that ended before the upgrade to the version ' +
    'that introduced them, and were still kept, count once, as they ended last. Hours and days are in order and, within them, the most frequent group comes first. A response has ' +
    'at most 10,000 groups.',
  query: query({
    ...WINDOW,
    from: optional(
      time(
        'Start of the window; defaults to 24 hours before `to`. At most 366 days before `to`, or 31 when grouped by hour.',
      ),
    ),
    status: optional(notEmpty(commaList(oneOf(OVER_STATES, 'A final status, or dead_letter.'), 8, 'Only these.'))),
    group_by: withDefault(commaList(oneOf(GROUPS, 'Field to group by.'), 3, 'Up to three fields to group by.'), [
      'hour',
      'status',
    ]),
  }),
  replies: {
    200: Type.Object(
      {
        from: time('Start of the first hour.'),
        to: time('End of the last hour.'),
        data: Type.Array(RunSum, { description: 'One entry per group that has runs.' }),
        has_more: flag('Whether there are more than 10,000 groups.'),
      },
      { title: 'RunSums' },
    ),
  },
  refusals: ['job_not_found'],
})

const Failure = Type.Object(
  {
    error_group: Type.String({ description: 'The group; a filter of runs and of operations.' }),
    ...jobFields,
    error_code: nullable(Type.String(), 'Stable code of the error.'),
    message: Type.String({ description: 'What the errors have in common: numbers, ids and quoted text are masked.' }),
    count: whole(1, COUNT_MAX, 'Failures in the window, whatever became of the runs since.'),
    first_seen_at: time('When the first run of the group failed, before the window perhaps.'),
    last_seen_at: time('When the last run of the group failed in the window.'),
    counts: Type.Array(whole(0, COUNT_MAX, ''), { description: 'Failures in each unit of the window, in order.' }),
    versions: Type.Array(
      Type.Object({
        version: whole(1, COUNT_MAX, 'Version of the job.'),
        count: whole(1, COUNT_MAX, 'Failures of its runs.'),
      }),
      { description: 'The 20 newest versions of the job that failed like this, newest first.' },
    ),
    sample: Type.Object(
      {
        run_id: nullable(Type.String(), 'Id of the run; null when it is past its retention period.'),
        error: nullable(Type.String(), 'Its error, up to 1,000 characters.'),
      },
      { description: 'The latest failure.' },
    ),
  },
  { title: 'Failure', description: 'Failed runs with the same job, error code and masked message.' },
)

export const listFailures = route({
  method: 'GET',
  path: '/v1/failures',
  needs: 'runs:read',
  tag,
  name: 'listFailures',
  summary: 'List failures in groups of the same job, error code and message, the latest first.',
  description:
    'A failure is a run that ended as failed, timed_out, crashed, system_failed, expired or dead_letter; attempts that are ' +
    'retried do not count. Masked are numbers, words with digits, ids and quoted text. Every hour (UTC) that the window ' +
    'touches counts in full; a window of more than three days counts whole days. A group that fails again while its ' +
    'list is paged through moves to the front. Runs of a group: `GET /v1/runs?error_group=…`.',
  query: query({
    ...WINDOW,
    from: optional(time('Start of the window; defaults to 24 hours before `to`, at most 31 days before it.')),
    error_group: optional(ERROR_GROUP),
    ...paging,
    limit: withDefault(whole(1, 100, 'Maximum number of groups per page.'), 50),
  }),
  replies: {
    200: Type.Object(
      {
        from: time('Start of the first unit.'),
        to: time('End of the last unit.'),
        unit: oneOf(['hour', 'day'], 'What `counts` counts by.'),
        ...listOf(Failure, 'FailureList').properties,
      },
      { title: 'FailureList' },
    ),
  },
  refusals: ['job_not_found', 'invalid_cursor'],
})
