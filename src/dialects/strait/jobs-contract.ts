// The routes of Strait's jobs. Paths are relative to /strait.
import { Type } from 'typebox'
import { JOB, JobPath, oneOf, optional, text, uuid, withDefault } from '#contract/common.ts'
import { type Route, route } from '#contract/route.ts'
import { DEPENDENCY_CONDITIONS } from '#core/dependency.ts'
import { WINDOWS } from './jobs-health.ts'
import { fields, Job, JobDependency, JobHealth, JobInput, JobPatch, JobVersion } from './jobs-schemas.ts'
import { bodyOf, ofProject, paging, query } from './paging.ts'

const tag = 'Jobs'
const read = { method: 'GET', needs: 'jobs:read', tag } as const
const write = { needs: 'jobs:write', tag } as const

export const createJob = route({
  ...write,
  method: 'POST',
  path: '/v1/jobs',
  name: 'createJob',
  summary: 'Create a job.',
  body: JobInput,
  replies: { 201: Job },
  refusals: ['job_exists', 'endpoint_refused'],
  // Unlike our own, the response contains no secret.
  keepsReply: true,
})
export const listJobs = route({
  ...read,
  path: '/v1/jobs',
  name: 'listJobs',
  summary: 'List jobs, newest first.',
  query: query({
    ...ofProject,
    slug: optional(text(63, 'Only the job with this slug.')),
    tag_key: optional(text(64, 'Jobs with this tag.', { minLength: 1 })),
    tag_value: optional(text(256, 'With tag_key: value of the tag.')),
    ...paging,
  }),
  replies: { 200: Type.Array(Job) },
  refusals: ['invalid_cursor'],
})
export const getJob = route({
  ...read,
  path: '/v1/jobs/:job',
  name: 'getJob',
  summary: 'Get a job.',
  params: JobPath,
  replies: { 200: Job },
  refusals: ['job_not_found'],
})
export const updateJob = route({
  ...write,
  method: 'PATCH',
  path: '/v1/jobs/:job',
  name: 'updateJob',
  summary: 'Update a job; each update is a new version.',
  params: JobPath,
  body: JobPatch,
  replies: { 200: Job },
  refusals: ['job_not_found', 'job_exists', 'endpoint_refused'],
})
export const deleteJob = route({
  ...write,
  method: 'DELETE',
  path: '/v1/jobs/:job',
  name: 'deleteJob',
  summary: 'Delete a job that has no active runs.',
  params: JobPath,
  replies: { 204: null },
  refusals: ['job_not_found', 'job_busy'],
})
export const pauseJob = route({
  ...write,
  method: 'POST',
  path: '/v1/jobs/:job/pause',
  name: 'pauseJob',
  summary: 'Pause a job: no more of its runs start.',
  params: JobPath,
  body: bodyOf({ reason: optional(text(500, 'Why.')) }),
  bodyOptional: true,
  replies: { 200: Job },
  refusals: ['job_not_found'],
})
export const resumeJob = route({
  ...write,
  method: 'POST',
  path: '/v1/jobs/:job/resume',
  name: 'resumeJob',
  summary: 'Resume a paused job.',
  params: JobPath,
  body: bodyOf({}),
  bodyOptional: true,
  replies: { 200: Job },
  refusals: ['job_not_found'],
})
export const cloneJob = route({
  ...write,
  method: 'POST',
  path: '/v1/jobs/:job/clone',
  name: 'cloneJob',
  summary: 'Clone a job, including its signing secret.',
  params: JobPath,
  body: bodyOf({
    slug: optional(fields.slug),
    name: optional(text(255, "Display name; defaults to the job's.", { minLength: 1 })),
  }),
  bodyOptional: true,
  replies: { 201: Job },
  refusals: ['job_not_found', 'job_exists'],
})
export const getJobHealth = route({
  ...read,
  path: '/v1/jobs/:job/health',
  name: 'getJobHealth',
  summary: 'Get the health of a job: outcomes and durations of its recent runs.',
  params: JobPath,
  query: query({ window: withDefault(oneOf(WINDOWS, 'Period to look at.'), '7d') }),
  replies: { 200: JobHealth },
  refusals: ['job_not_found'],
})
export const listJobVersions = route({
  ...read,
  path: '/v1/jobs/:job/versions',
  name: 'listJobVersions',
  summary: 'List the versions of a job, newest first.',
  params: JobPath,
  query: query(paging),
  replies: { 200: Type.Array(JobVersion) },
  refusals: ['job_not_found', 'invalid_cursor'],
})
export const getJobVersion = route({
  ...read,
  path: '/v1/jobs/:job/versions/:version',
  name: 'getJobVersion',
  summary: 'Get one version of a job.',
  params: Type.Object({ job: JOB, version: text(64, 'Number of the version, from 1, or its id.', { minLength: 1 }) }),
  replies: { 200: JobVersion },
  refusals: ['job_not_found', 'version_not_found'],
})
export const listDependencies = route({
  ...read,
  path: '/v1/jobs/:job/dependencies',
  name: 'listDependencies',
  summary: 'List the dependencies of a job, oldest first.',
  params: JobPath,
  replies: { 200: Type.Array(JobDependency) },
  refusals: ['job_not_found'],
})
export const addDependency = route({
  ...write,
  method: 'POST',
  path: '/v1/jobs/:job/dependencies',
  name: 'addDependency',
  summary: 'Add a dependency: runs of this job wait for runs of another.',
  params: JobPath,
  body: bodyOf({
    depends_on_job_id: JOB,
    condition: optional(oneOf(DEPENDENCY_CONDITIONS, 'How the other run must end; defaults to completed.')),
  }),
  replies: { 201: JobDependency },
  refusals: ['job_not_found', 'dependency_exists', 'dependency_cycle'],
})
export const removeDependency = route({
  ...write,
  method: 'DELETE',
  path: '/v1/jobs/:job/dependencies/:dependency',
  name: 'removeDependency',
  summary: 'Delete a dependency.',
  params: Type.Object({ job: JOB, dependency: uuid('Id of the dependency, or of the job it points to.') }),
  replies: { 204: null },
  refusals: ['job_not_found', 'dependency_not_found'],
})

/** `/trigger` and `/trigger/bulk` are in jobs-trigger.ts. */
export const JOB_ROUTES = [
  createJob,
  listJobs,
  getJob,
  updateJob,
  deleteJob,
  pauseJob,
  resumeJob,
  cloneJob,
  getJobHealth,
  listJobVersions,
  getJobVersion,
  listDependencies,
  addDependency,
  removeDependency,
] as const satisfies readonly Route[]
