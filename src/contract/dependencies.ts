// Jobs that depend on other jobs.
import { Type } from 'typebox'
import { DEPENDENCY_CONDITIONS } from '#core/dependency.ts'
import { RUN_STATES } from '#core/run.ts'
import {
  body,
  flag,
  JOB,
  JobPath,
  listOf,
  nullable,
  oneOf,
  query,
  RunPath,
  text,
  time,
  uuid,
  withDefault,
} from './common.ts'
import { route } from './route.ts'
import { RUN_STATUS } from './runs/run.ts'

const CONDITION = oneOf(
  DEPENDENCY_CONDITIONS,
  'How the latest run of the other job must have ended: completed, failed (in any way), or in any way at all.',
)

const dependency = {
  id: uuid('Id of the dependency.'),
  job_id: uuid('The job that waits.'),
  depends_on_job_id: uuid('The job that it waits for.'),
  condition: CONDITION,
  created_at: time('When it was created.'),
}
export const Dependency = Type.Object(dependency, { title: 'Dependency' })

export const addDependency = route({
  method: 'POST',
  path: '/v1/jobs/:job/dependencies',
  needs: 'jobs:write',
  tag: 'Jobs',
  name: 'addDependency',
  summary: 'Add a dependency: runs of this job start once the latest run of the other job has ended as required.',
  description:
    'A run with an idempotency key considers only runs with the same key; one whose metadata (or payload) has a ' +
    '`dependency_key`, only runs with the same one. A job may depend on at most 100 others.',
  params: JobPath,
  body: body({ depends_on: JOB, condition: withDefault(CONDITION, 'completed') }),
  replies: { 201: Dependency },
  refusals: ['job_not_found', 'dependency_exists', 'dependency_cycle'],
})

export const listDependencies = route({
  method: 'GET',
  path: '/v1/jobs/:job/dependencies',
  needs: 'jobs:read',
  tag: 'Jobs',
  name: 'listDependencies',
  summary: 'List all dependencies of a job, oldest first.',
  params: JobPath,
  query: query({}),
  replies: { 200: listOf(Dependency, 'DependencyList') },
  refusals: ['job_not_found'],
})

export const removeDependency = route({
  method: 'DELETE',
  path: '/v1/jobs/:job/dependencies/:dependency',
  needs: 'jobs:write',
  tag: 'Jobs',
  name: 'removeDependency',
  summary: 'Delete a dependency, by its id or by the id of the job it points to.',
  params: Type.Object({ job: JOB, dependency: text(64, 'Id of the dependency or of the other job.') }),
  replies: { 204: null },
  refusals: ['job_not_found', 'dependency_not_found'],
})

export const dependencyStatus = route({
  method: 'GET',
  path: '/v1/runs/:run_id/dependency-status',
  needs: 'runs:read',
  tag: 'Runs',
  name: 'dependencyStatus',
  summary: "Get the dependencies of a run's job, and whether each is met for this run.",
  params: RunPath,
  replies: {
    200: Type.Object(
      {
        run_id: Type.String({ description: 'The run.' }),
        job_id: nullable(Type.String(), 'Its job.'),
        status: RUN_STATUS,
        dependencies: Type.Array(
          Type.Object({
            ...dependency,
            run_id: nullable(
              Type.String(),
              'The run that decides: the latest one that has ended; null when there is none.',
            ),
            run_status: nullable(oneOf(RUN_STATES, ''), 'How that run ended.'),
            met: flag('Whether the run ended as required.'),
          }),
          { description: 'The dependencies, oldest first.' },
        ),
        dependencies_satisfied: flag('Whether all dependencies are met.'),
      },
      { title: 'DependencyStatus' },
    ),
  },
  refusals: ['run_not_found'],
})
