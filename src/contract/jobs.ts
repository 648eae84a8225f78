// Jobs: create, list, get, update, delete, pause and resume.
import { Type } from 'typebox'
import {
  body,
  flag,
  JOB,
  JobPath,
  keyValues,
  listOf,
  nullable,
  optional,
  paging,
  query,
  text,
  time,
  whole,
  withDefault,
} from './common.ts'
import { EXECUTION, JOB_VERSION, Job, JobInput, JobPatch, JobVersion } from './job.ts'
import { route } from './route.ts'

const tag = 'Jobs'

export const createJob = route({
  method: 'POST',
  path: '/v1/jobs',
  needs: 'jobs:write',
  tag,
  name: 'createJob',
  // The reply holds a secret, which is shown once and kept nowhere.
  keepsReply: false,
  summary: 'Create a job.',
  body: JobInput,
  replies: { 201: Job },
  refusals: ['job_exists', 'endpoint_refused'],
})

export const listJobs = route({
  method: 'GET',
  path: '/v1/jobs',
  needs: 'jobs:read',
  tag,
  name: 'listJobs',
  summary: 'List jobs, newest first.',
  query: query({
    slug: optional(text(63, 'Only the job with this slug.')),
    tag: optional(keyValues('Jobs with a tag')),
    execution: optional(EXECUTION),
    ...paging,
  }),
  replies: { 200: listOf(Job, 'JobList') },
  refusals: ['invalid_cursor'],
})

export const getJob = route({
  method: 'GET',
  path: '/v1/jobs/:job',
  needs: 'jobs:read',
  tag,
  name: 'getJob',
  summary: 'Get a job.',
  params: JobPath,
  replies: { 200: Job },
  refusals: ['job_not_found'],
})

export const updateJob = route({
  method: 'PATCH',
  path: '/v1/jobs/:job',
  needs: 'jobs:write',
  tag,
  name: 'updateJob',
  summary: 'Update a job; each update is a new version.',
  description:
    'Existing runs keep the version they were triggered with. An update that changes nothing makes no new version; masked ' +
    'header values that are sent back count as unchanged.',
  params: JobPath,
  body: JobPatch,
  replies: { 200: Job },
  refusals: ['job_not_found', 'job_exists', 'endpoint_refused'],
})

export const deleteJob = route({
  method: 'DELETE',
  path: '/v1/jobs/:job',
  needs: 'jobs:write',
  tag,
  name: 'deleteJob',
  summary: 'Delete a job; its runs and their log stay readable.',
  params: JobPath,
  query: query({
    cancel_runs: withDefault(
      flag('Cancel runs that have not ended. Without this, a job that has such runs is not deleted.'),
      false,
    ),
  }),
  replies: { 204: null },
  refusals: ['job_not_found', 'job_busy', 'job_needed'],
})

export const pauseJob = route({
  method: 'POST',
  path: '/v1/jobs/:job/pause',
  needs: 'jobs:write',
  tag,
  name: 'pauseJob',
  summary: 'Pause a job: no more of its runs start, and executing runs continue.',
  params: JobPath,
  body: body({ reason: optional(text(500, 'Why; stored with the job and in the event log.')) }),
  bodyOptional: true,
  replies: { 200: Job },
  refusals: ['job_not_found'],
})

export const resumeJob = route({
  method: 'POST',
  path: '/v1/jobs/:job/resume',
  needs: 'jobs:write',
  tag,
  name: 'resumeJob',
  summary: 'Resume a paused job.',
  params: JobPath,
  body: body({}),
  bodyOptional: true,
  replies: { 200: Job },
  refusals: ['job_not_found'],
})

export const getSchedule = route({
  method: 'GET',
  path: '/v1/jobs/:job/schedule',
  needs: 'jobs:read',
  tag,
  name: 'getSchedule',
  summary: 'Get the next times at which the schedule of a job fires.',
  params: JobPath,
  query: query({ count: withDefault(whole(1, 100, 'How many times to return.'), 10) }),
  replies: {
    200: Type.Object(
      {
        cron: nullable(Type.String(), 'Cron expression of the job; null if it has none.'),
        timezone: Type.String({ description: 'Time zone in which the expression is read.' }),
        fires: flag('False while the job is disabled or has no schedule, so that no run is triggered.'),
        next: Type.Array(time('A time.'), { description: 'The next times, earliest first.' }),
      },
      { title: 'Schedule' },
    ),
  },
  refusals: ['job_not_found'],
})

export const listJobVersions = route({
  method: 'GET',
  path: '/v1/jobs/:job/versions',
  needs: 'jobs:read',
  tag,
  name: 'listJobVersions',
  summary: 'List the versions of a job, newest first.',
  params: JobPath,
  query: query(paging),
  replies: { 200: listOf(JobVersion, 'JobVersionList') },
  refusals: ['job_not_found', 'invalid_cursor'],
})

export const getJobVersion = route({
  method: 'GET',
  path: '/v1/jobs/:job/versions/:version',
  needs: 'jobs:read',
  tag,
  name: 'getJobVersion',
  summary: 'Get one version of a job.',
  params: Type.Object({ job: JOB, version: JOB_VERSION }),
  replies: { 200: JobVersion },
  refusals: ['job_not_found', 'version_not_found'],
})
