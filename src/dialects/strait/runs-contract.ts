// The reads of Strait's Runs API. Paths are relative to /strait.
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

/** The older syntax of filters by tags and metadata. */
const BRACKETED = '^(?:tags|metadata)\\[.+\\]$'

export const listRuns = route({
  ...read,
  method: 'GET',
  path: '/v1/runs',
  name: 'listRuns',
  summary: 'List runs, newest first; filters combine with AND.',
  description: 'Unknown parameters are refused. `tags[key]=value` and `metadata[key]=value` are accepted too.',
  query: query(
    {
      ...ofProject,
      status: optional(STATUS),
      statuses: STATUSES,
      'statuses[]': STATUSES,
      execution_mode: optional(oneOf(['http', 'worker'], 'Runs with this execution mode.')),
      metadata_key: optional(text(128, 'Runs whose metadata has this key.', { minLength: 1 })),
      metadata_value: optional(text(1024, 'Value under that key.')),
      tag_key: optional(text(64, 'Runs that have a tag with this key.', { minLength: 1 })),
      tag_value: optional(text(256, 'Value under that key.')),
      triggered_by: optional(TRIGGERED_BY),
      batch_id: optional(uuid('Runs of one batch.')),
      payload_contains: optional(text(8192, 'JSON object that the payload must contain.', { minLength: 1 })),
      ...paging,
    },
    { patternProperties: { [BRACKETED]: { description: 'A filter on one tag or one metadata entry.' } } },
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
  summary: 'List the runs that a run continues and that continue it, root first.',
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
  summary: 'List the checkpoints of a run, newest first.',
  replies: { 200: Type.Array(RunCheckpoint) },
})

export const listUsage = route({
  ...read,
  ...listed,
  method: 'GET',
  path: '/v1/runs/:run_id/usage',
  name: 'listUsage',
  summary: 'List the model usage of a run, newest first.',
  replies: { 200: Type.Array(RunUsage) },
})

export const listToolCalls = route({
  ...read,
  ...listed,
  method: 'GET',
  path: '/v1/runs/:run_id/tool-calls',
  name: 'listToolCalls',
  summary: 'List the tool calls of a run, oldest first.',
  replies: { 200: Type.Array(RunToolCall) },
})

export const listOutputs = route({
  ...read,
  ...listed,
  method: 'GET',
  path: '/v1/runs/:run_id/outputs',
  name: 'listOutputs',
  summary: 'List the outputs of a run, by key.',
  replies: { 200: Type.Array(RunOutput) },
})

export const listState = route({
  ...read,
  ...listed,
  method: 'GET',
  path: '/v1/runs/:run_id/state',
  name: 'listState',
  summary: 'List the state values of a run, by key.',
  replies: { 200: Type.Array(RunState) },
})

export const getDebugBundle = route({
  ...read,
  method: 'GET',
  path: '/v1/runs/:run_id/debug-bundle',
  name: 'getDebugBundle',
  summary: 'Get the debug bundle: everything about a run.',
  params: RunPath,
  replies: {
    200: Type.Object(
      {
        run: JobRun,
        events: Type.Array(RunEvent, { description: 'Oldest first; at most 10,000.' }),
        checkpoints: Type.Array(RunCheckpoint, { description: 'Newest first; at most 1,000.' }),
        usage: Type.Array(RunUsage, { description: 'At most 10,000.' }),
        tool_calls: Type.Array(RunToolCall, { description: 'At most 10,000.' }),
        outputs: Type.Array(RunOutput, { description: 'At most 10,000.' }),
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
  summary: "Get the dependencies of a run's job, and whether each is met for this run.",
  params: RunPath,
  replies: {
    200: Type.Object(
      {
        run_id: Type.String({ description: 'The run.' }),
        job_id: Type.String({ description: 'Its job.' }),
        status: STATUS,
        dependencies: Type.Array(JobDependency, { description: 'All dependencies of the job.' }),
        dependencies_satisfied: flag('Whether all dependencies are met.'),
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
  query: query({ after_sequence: optional(whole(0, Number.MAX_SAFE_INTEGER, 'Events after this sequence.')) }),
  replies: { 200: Type.String() },
  refusals: ['run_not_found', 'overloaded'],
} as const

export const streamRun = route({
  ...stream,
  path: '/v1/runs/:run_id/stream',
  name: 'streamRun',
  summary: 'Stream the events of a run, from the beginning until it ends.',
})

export const streamChunks = route({
  ...stream,
  path: '/v1/runs/:run_id/stream/chunks',
  name: 'streamChunks',
  summary: 'Stream the output chunks of a run.',
})
