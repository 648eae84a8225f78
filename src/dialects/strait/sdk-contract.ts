// What a running attempt calls on Strait's SDK plane, with its run token. Both spellings are taken where the product's
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
const KEY = text(256, 'Name of the value.', { minLength: 1 })
const KeyPath = Type.Object({ run_id: RUN_ID, key: KEY })

export const getPayload = route({
  ...attempt,
  method: 'GET',
  path: '/sdk/v1/runs/:run_id/payload',
  name: 'getPayload',
  summary: 'Get the payload of the run, bare.',
  replies: { 200: anyJson('The payload as it was sent.') },
})

export const logRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/log',
  name: 'logRun',
  summary: "Write a line into the run's log.",
  body: bodyOf({
    type: withDefault(EVENT_TYPE, 'log'),
    level: withDefault(LEVEL, 'info'),
    message: text(8192, 'The line.'),
    data: optional(anyJson('What else there is to say.')),
  }),
  replies: { 201: RunEvent },
  refusals: [...FENCED, 'reserved_type'],
})

const ETA = Type.Number({ minimum: 0, maximum: INT_MAX, description: 'Seconds left, as far as known.' })

export const progressRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/progress',
  name: 'progressRun',
  summary: 'Say how far the run is.',
  body: bodyOf({
    percent: Type.Number({ minimum: 0, maximum: 100, description: 'Percent done.' }),
    message: optional(text(8192, 'What is being done.')),
    step: optional(text(128, 'The step that is being done.', { minLength: 1 })),
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
  summary: "Lay annotations over the run's metadata.",
  description: 'The body holds them under `annotations`, or is the map itself. 50 keys at most in all.',
  bodyAs: 'given',
  body: Type.Object({}, { additionalProperties: true, description: '`{annotations: {key: text}}`, or `{key: text}`.' }),
  replies: { 200: JobRun },
})

export const heartbeatRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/heartbeat',
  name: 'heartbeatRun',
  summary: 'Renew the lease, and hear whether to pause or stop.',
  body: bodyOf({}),
  bodyOptional: true,
  replies: {
    200: Type.Object(
      {
        status: oneOf(['ok'], 'The lease is renewed.'),
        told: optional(oneOf(['pause', 'stop'], 'pause: checkpoint and stop. stop: stop at once.')),
      },
      { title: 'Heartbeat' },
    ),
  },
})

export const checkpointRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/checkpoint',
  name: 'checkpointRun',
  summary: 'Keep a state that the next attempt begins from.',
  body: bodyOf({
    source: withDefault(text(64, 'Who wrote it.', { minLength: 1 }), 'sdk'),
    state: anyJson('Any JSON.'),
  }),
  replies: { 201: RunCheckpoint },
})

const tokens = (description: string) => withDefault(whole(0, INT_MAX, description), 0)

export const usageRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/usage',
  name: 'usageRun',
  summary: 'Book what a call of a model used; without a cost, the prices of the project tell it.',
  body: bodyOf({
    provider: text(128, 'Provider of the model.', { minLength: 1 }),
    model: text(256, 'The model.', { minLength: 1 }),
    prompt_tokens: tokens('Tokens read.'),
    completion_tokens: tokens('Tokens written.'),
    total_tokens: optional(whole(0, INT_MAX, 'Tokens in all; the sum of both when left out.')),
    cost_microusd: optional(whole(0, COST_MAX, 'Cost in millionths of a US dollar; 0 is the same as none.')),
  }),
  replies: {
    201: Type.Object({ ...RunUsage.properties, over_budget: optional(OverBudget) }, { title: 'BookedRunUsage' }),
  },
})

export const toolCallRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/tool-call',
  name: 'toolCallRun',
  summary: 'Record a call of a tool.',
  body: bodyOf({
    tool_name: text(128, 'The tool.', { minLength: 1 }),
    input: optional(anyJson('What it was given.')),
    output: optional(anyJson('What it gave.')),
    duration_ms: optional(Type.Number({ minimum: 0, maximum: INT_MAX, description: 'How long it took.' })),
    status: withDefault(text(64, 'How it ended.', { minLength: 1 }), 'completed'),
  }),
  replies: { 201: RunToolCall },
})

export const outputRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/output',
  name: 'outputRun',
  summary: 'Leave an output under a key; the same key again replaces it.',
  body: bodyOf({
    output_key: optional(KEY),
    key: optional(KEY),
    schema: optional(jsonObject('JSON Schema that the value must meet.', JSON_SCHEMA_BYTES_MAX)),
    value: anyJson('The output.'),
  }),
  replies: { 201: RunOutput },
})

export const stateRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/state',
  name: 'stateRun',
  summary: 'Keep a value under a key, for later attempts.',
  body: bodyOf({ key: KEY, value: anyJson('Any JSON; 64 KiB at most.', VALUE_BYTES_MAX) }),
  replies: { 201: RunState },
})

export const listStateOfRun = route({
  ...attempt,
  method: 'GET',
  path: '/sdk/v1/runs/:run_id/state',
  name: 'getStateByRunId',
  summary: 'List the values that the run keeps, by key.',
  query: query(wholeList),
  replies: { 200: Type.Array(RunState) },
})

export const getStateOfRun = route({
  ...attempt,
  method: 'GET',
  path: '/sdk/v1/runs/:run_id/state/:key',
  name: 'getStateByRunIdAndKey',
  summary: 'Get a value that the run keeps.',
  params: KeyPath,
  replies: { 200: RunState },
  refusals: [...FENCED, 'value_not_found'],
})

export const deleteState = route({
  ...attempt,
  method: 'DELETE',
  path: '/sdk/v1/runs/:run_id/state/:key',
  name: 'deleteState',
  summary: 'Forget a value.',
  params: KeyPath,
  replies: { 204: null },
  refusals: [...FENCED, 'value_not_found'],
})

export const streamChunk = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/stream',
  name: 'streamChunk',
  summary: 'Stream a chunk to whoever watches.',
  body: bodyOf({
    chunk: text(65_536, 'The next piece.'),
    stream_id: withDefault(text(128, 'Tells streams of one run apart.', { minLength: 1 }), 'default'),
    done: withDefault(flag('True with the last piece.'), false),
  }),
  replies: { 200: OK },
})

const measure = Type.Number({ minimum: 0, description: 'As measured.' })

export const resourcesRun = route({
  ...post,
  path: '/sdk/v1/runs/:run_id/resources',
  name: 'resourcesRun',
  summary: 'Say what the run uses of its machine.',
  body: bodyOf({ memory_mb: optional(measure), memory_percent: optional(measure), cpu_percent: optional(measure) }),
  replies: { 201: RunEvent },
})
