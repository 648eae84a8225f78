// The reads of Strait's Runs API, as routes of this dialect. Paths begin behind /strait.
import { Type } from 'typebox'
import { commaList, flag, oneOf, optional, RunPath, text, uuid, whole } from '#contract/common.ts'
import { route } from '#contract/route.ts'
import { RUN_STATES } from '#core/run.ts'
import { JobDependency } from './jobs-schemas.ts'
import { ofProject, paging, query, wholeList } from './paging.ts'
import { JobRun, STATUS, TRIGGERED_BY } from './run-wire.ts'
import { RunCheckpoint, RunEvent, RunOutput, RunState, RunToolCall, RunUsage } from './runs-record-wire.ts'

const tag = 'Runs'
const read = { needs: 'runs:read', tag } as const
const listed = { params: RunPath, query: query(wholeList), refusals: ['run_not_found', 'invalid_cursor'] } as const
const STATUSES = optional(commaList(STATUS, RUN_STATES.length, 'Runs in any of these states.'))

/** The older spelling of filters by tags and metadata. */
const BRACKETED = '^(?:tags|metadata)\\[.+\\]$'

export const listRuns = route({
  ...read,
  method: 'GET',
  path: '/v1/runs',
  name: 'listRuns',
  summary: 'List runs, newest first; all filters must hold.',
  description: 'A parameter that is not known is refused. Also taken: `tags[key]=value` and `metadata[key]=value`.',
  query: query(
    {
      ...ofProject,
      status: optional(STATUS),
      statuses: STATUSES,
      'statuses[]': STATUSES,
      execution_mode: optional(oneOf(['http', 'worker'], 'Runs that are executed in this way.')),
      metadata_key: optional(text(128, 'Runs whose metadata has this key.', { minLength: 1 })),
      metadata_value: optional(text(1024, 'And this value under it.')),
      tag_key: optional(text(64, 'Runs that have a tag with this key.', { minLength: 1 })),
      tag_value: optional(text(256, 'And this value under it.')),
      triggered_by: optional(TRIGGERED_BY),
      batch_id: optional(uuid('Runs of one batch.')),
      payload_contains: optional(text(8192, 'JSON object that the payload must contain.', { minLength: 1 })),
      ...paging,
    },
    { patternProperties: { [BRACKETED]: { description: 'One tag, or one entry of the metadata.' } } },
  ),
  replies: { 200: Type.Array(JobRun) },
  refusals: ['invalid_cursor'],
})

export const listDeadLetters = route({
  ...read,
  method: 'GET',
  path: '/v1/runs/dlq',
  name: 'listDeadLetters',
  summary: 'List dead-lettered runs, newest first.',
  query: query({ ...ofProject, ...paging }),
  replies: { 200: Type.Array(JobRun) },
  refusals: ['invalid_cursor'],
})

export const getRun = route({
  ...read,
  method: 'GET',
  path: '/v1/runs/:run_id',
  name: 'getRun',
  summary: 'Get a run.',
  params: RunPath,
  replies: { 200: JobRun },
  refusals: ['run_not_found'],
})

export const listChildren = route({
  ...read,
  ...listed,
  method: 'GET',
  path: '/v1/runs/:run_id/children',
  name: 'listChildren',
  summary: 'List child runs, oldest first.',
  replies: { 200: Type.Array(JobRun) },
})

export const listLineage = route({
  ...read,
  ...listed,
  method: 'GET',
  path: '/v1/runs/:run_id/lineage',
  name: 'listLineage',
  summary: 'List what a run continues and what continues it, the root first.',
  replies: { 200: Type.Array(JobRun) },
})

export const listEvents = route({
  ...read,
  method: 'GET',
  path: '/v1/runs/:run_id/events',
  name: 'listEvents',
  summary: 'List the events of a run, oldest first.',
  params: RunPath,
  query: query({
    level: optional(text(32, 'Only events of this level.', { minLength: 1 })),
    type: optional(text(128, 'Only events of this type.', { minLength: 1 })),
    ...wholeList,
  }),
  replies: { 200: Type.Array(RunEvent) },
  refusals: ['run_not_found', 'invalid_cursor'],
})

export const listCheckpoints = route({
  ...read,
  ...listed,
  method: 'GET',
  path: '/v1/runs/:run_id/checkpoints',
  name: 'listCheckpoints',
  summary: 'List the checkpoints of a run, the latest first.',
  replies: { 200: Type.Array(RunCheckpoint) },
})

export const listUsage = route({
  ...read,
  ...listed,
  method: 'GET',
  path: '/v1/runs/:run_id/usage',
  name: 'listUsage',
  summary: 'List what models used, the latest first.',
  replies: { 200: Type.Array(RunUsage) },
})

export const listToolCalls = route({
  ...read,
  ...listed,
  method: 'GET',
  path: '/v1/runs/:run_id/tool-calls',
  name: 'listToolCalls',
  summary: 'List tool calls, the first one first.',
  replies: { 200: Type.Array(RunToolCall) },
})

export const listOutputs = route({
  ...read,
  ...listed,
  method: 'GET',
  path: '/v1/runs/:run_id/outputs',
  name: 'listOutputs',
  summary: 'List outputs, by key.',
  replies: { 200: Type.Array(RunOutput) },
})

export const listState = route({
  ...read,
  ...listed,
  method: 'GET',
  path: '/v1/runs/:run_id/state',
  name: 'listState',
  summary: 'List the values that a run keeps, by key.',
  replies: { 200: Type.Array(RunState) },
})

export const getDebugBundle = route({
  ...read,
  method: 'GET',
  path: '/v1/runs/:run_id/debug-bundle',
  name: 'getDebugBundle',
  summary: 'Get everything that is known about a run.',
  params: RunPath,
  replies: {
    200: Type.Object(
      {
        run: JobRun,
        events: Type.Array(RunEvent, { description: 'Oldest first; 10,000 at most.' }),
        checkpoints: Type.Array(RunCheckpoint, { description: 'Latest first; 1,000 at most.' }),
        usage: Type.Array(RunUsage, { description: '10,000 at most.' }),
        tool_calls: Type.Array(RunToolCall, { description: '10,000 at most.' }),
        outputs: Type.Array(RunOutput, { description: '10,000 at most.' }),
      },
      { title: 'DebugBundle' },
    ),
  },
  refusals: ['run_not_found'],
})

export const getDependencyStatus = route({
  ...read,
  method: 'GET',
  path: '/v1/runs/:run_id/dependency-status',
  name: 'getDependencyStatus',
  summary: 'Say what the job of a run depends on, and whether that is met.',
  params: RunPath,
  replies: {
    200: Type.Object(
      {
        run_id: Type.String({ description: 'The run.' }),
        job_id: Type.String({ description: 'Its job.' }),
        status: STATUS,
        dependencies: Type.Array(JobDependency, { description: 'All of the job.' }),
        dependencies_satisfied: flag('Whether all of them are met.'),
      },
      { title: 'DependencyStatus' },
    ),
  },
  refusals: ['run_not_found'],
})

const stream = {
  ...read,
  stream: true,
  method: 'GET',
  params: RunPath,
  query: query({ after_sequence: optional(whole(0, Number.MAX_SAFE_INTEGER, 'Begin behind this sequence.')) }),
  replies: { 200: Type.String() },
  refusals: ['run_not_found', 'overloaded'],
} as const

export const streamRun = route({
  ...stream,
  path: '/v1/runs/:run_id/stream',
  name: 'streamRun',
  summary: 'Follow a run: what has happened, what happens, and the end.',
})

export const streamChunks = route({
  ...stream,
  path: '/v1/runs/:run_id/stream/chunks',
  name: 'streamChunks',
  summary: 'Follow what a run streams.',
})
