// What a running attempt calls on Strait's SDK plane, with its run token. Both spellings are accepted where the product's
// clients differ.
import { Type } from 'typebox'
import { OverBudget } from '#contract/agents.ts'
import {
  anyJson,
  flag,
  INT_MAX,
  JSON_SCHEMA_BYTES_MAX,
  jsonObject,
  metadata,
  oneOf,
  optional,
  pathText,
  RUN_ID,
  RunPath,
  text,
  whole,
  withDefault,
} from '#contract/common.ts'
import { EVENT_TYPE, LEVEL } from '#contract/event.ts'
import { route } from '#contract/route.ts'
import { FENCED } from '#contract/runs/executor.ts'
import { bodyOf, query, wholeList } from './paging.ts'
import { JobRun, OK } from './run-wire.ts'
import { RunCheckpoint, RunEvent, RunOutput, RunState, RunToolCall, RunUsage } from './runs-record-wire.ts'

const tag = 'Running attempt'
const attempt = { needs: 'run_token', tag, params: RunPath, refusals: FENCED } as const
const post = { ...attempt, method: 'POST' } as const
const COST_MAX = 1_000_000_000_000
const VALUE_BYTES_MAX = 64 * 1024
const KEY = pathText(256, 'Key of the value.')
const KeyPath = Type.Object({ run_id: RUN_ID, key: KEY })

export const getPayload = route({
  ...attempt,
  method: 'GET',
  path: '/sdk/v1/runs/:run_id/payload',
  name: 'getPayload',
  summary: 'Get the payload of the run, without an envelope.',
  replies: { 200: anyJson('The payload as it was sent.') },
})

export const logRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/log',
  name: 'logRun',
  summary: "Write a line to the run's log.",
  body: bodyOf({
    type: withDefault(EVENT_TYPE, 'log'),
    level: withDefault(LEVEL, 'info'),
    message: text(8192, 'The log line.'),
    data: optional(anyJson('Anything else, as JSON.')),
  }),
  replies: { 201: RunEvent },
  refusals: [...FENCED, 'reserved_type'],
})

const ETA = Type.Number({ minimum: 0, maximum: INT_MAX, description: 'Estimated seconds left.' })

export const progressRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/progress',
  name: 'progressRun',
  summary: 'Report the progress of the run.',
  body: bodyOf({
    percent: Type.Number({ minimum: 0, maximum: 100, description: 'Progress in percent.' }),
    message: optional(text(8192, 'What is being done, for people.')),
    step: optional(text(128, 'Name of the current step.', { minLength: 1 })),
    eta_seconds: optional(ETA),
    eta_secs: optional(ETA),
  }),
  replies: { 201: RunEvent },
})

export const ANNOTATIONS = metadata('Merged into the metadata.')

export const annotateRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/annotate',
  name: 'annotateRun',
  summary: "Merge annotations into the run's metadata.",
  description:
    'The body has them under `annotations`, or is the map itself. The metadata may have at most 50 keys in total.',
  bodyAs: 'given',
  body: Type.Object({}, { additionalProperties: true, description: '`{annotations: {key: text}}`, or `{key: text}`.' }),
  replies: { 200: JobRun },
})

export const heartbeatRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/heartbeat',
  name: 'heartbeatRun',
  summary: 'Renew the lease, and learn whether to pause or stop.',
  body: bodyOf({}),
  bodyOptional: true,
  replies: {
    200: Type.Object(
      {
        status: oneOf(['ok'], 'The lease is renewed.'),
        told: optional(oneOf(['pause', 'stop'], 'pause: save a checkpoint and stop. stop: stop immediately.')),
      },
      { title: 'Heartbeat' },
    ),
  },
})

export const checkpointRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/checkpoint',
  name: 'checkpointRun',
  summary: 'Save a checkpoint: the state that the next attempt starts from.',
  body: bodyOf({
    source: withDefault(text(64, 'Name of the writer.', { minLength: 1 }), 'sdk'),
    state: anyJson('Any JSON.'),
  }),
  replies: { 201: RunCheckpoint },
})

const tokens = (description: string) => withDefault(whole(0, INT_MAX, description), 0)

export const usageRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/usage',
  name: 'usageRun',
  summary: "Record the usage of a model call; without a cost, it is calculated from the project's prices.",
  body: bodyOf({
    provider: text(128, 'Provider of the model.', { minLength: 1 }),
    model: text(256, 'Name of the model.', { minLength: 1 }),
    prompt_tokens: tokens('Prompt tokens.'),
    completion_tokens: tokens('Completion tokens.'),
    total_tokens: optional(whole(0, INT_MAX, 'Total tokens; defaults to the sum of the two.')),
    cost_microusd: optional(whole(0, COST_MAX, 'Cost in millionths of a US dollar; 0 means not given.')),
  }),
  replies: {
    201: Type.Object({ ...RunUsage.properties, over_budget: optional(OverBudget) }, { title: 'BookedRunUsage' }),
  },
})

export const toolCallRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/tool-call',
  name: 'toolCallRun',
  summary: 'Record a tool call.',
  body: bodyOf({
    tool_name: text(128, 'Name of the tool.', { minLength: 1 }),
    input: optional(anyJson('Input of the call.')),
    output: optional(anyJson('Output of the call.')),
    duration_ms: optional(Type.Number({ minimum: 0, maximum: INT_MAX, description: 'Duration in milliseconds.' })),
    status: withDefault(text(64, 'How the call ended.', { minLength: 1 }), 'completed'),
  }),
  replies: { 201: RunToolCall },
})

export const outputRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/output',
  name: 'outputRun',
  summary: 'Set an output of the run; the same key again replaces it.',
  body: bodyOf({
    output_key: optional(KEY),
    key: optional(KEY),
    schema: optional(jsonObject('JSON Schema that the value must match.', JSON_SCHEMA_BYTES_MAX)),
    value: anyJson('Value of the output.'),
  }),
  replies: { 201: RunOutput },
})

export const stateRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/state',
  name: 'stateRun',
  summary: 'Set a state value, for later attempts of this run.',
  body: bodyOf({ key: KEY, value: anyJson('Any JSON, at most 64 KiB.', VALUE_BYTES_MAX) }),
  replies: { 201: RunState },
})

export const listStateOfRun = route({
  ...attempt,
  method: 'GET',
  path: '/sdk/v1/runs/:run_id/state',
  name: 'getStateByRunId',
  summary: 'List the state values of the run, by key.',
  query: query(wholeList),
  replies: { 200: Type.Array(RunState) },
})

export const getStateOfRun = route({
  ...attempt,
  method: 'GET',
  path: '/sdk/v1/runs/:run_id/state/:key',
  name: 'getStateByRunIdAndKey',
  summary: 'Get a state value of the run.',
  params: KeyPath,
  replies: { 200: RunState },
  refusals: [...FENCED, 'value_not_found'],
})

export const deleteState = route({
  ...attempt,
  method: 'DELETE',
  path: '/sdk/v1/runs/:run_id/state/:key',
  name: 'deleteState',
  summary: 'Delete a state value.',
  params: KeyPath,
  replies: { 204: null },
  refusals: [...FENCED, 'value_not_found'],
})

export const streamChunk = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/stream',
  name: 'streamChunk',
  summary: 'Stream an output chunk to everyone who follows the run.',
  body: bodyOf({
    chunk: text(65_536, 'The next piece of output.'),
    stream_id: withDefault(text(128, 'Identifies the stream when a run has several.', { minLength: 1 }), 'default'),
    done: withDefault(flag('True for the last chunk.'), false),
  }),
  replies: { 200: OK },
})

const measure = Type.Number({ minimum: 0, description: 'The measured value.' })

export const resourcesRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/resources',
  name: 'resourcesRun',
  summary: 'Report the resource usage of the run.',
  body: bodyOf({ memory_mb: optional(measure), memory_percent: optional(measure), cpu_percent: optional(measure) }),
  replies: { 201: RunEvent },
})
