// What a running attempt may call with its run token. The token names run, attempt and lease: a call from an
// attempt that was replaced or stopped is refused with 409 stale_lease and changes nothing.

import { Type } from 'typebox'
import { DAY_SECS } from '#core/durations.ts'
import { COST_MICROUSD_MAX } from '#core/usage/prices.ts'
import { OverBudget } from '../agents.ts'
import {
  anyJson,
  body,
  flag,
  INT_MAX,
  JOB,
  JSON_SCHEMA_BYTES_MAX,
  jsonObject,
  metadata,
  nullable,
  oneOf,
  optional,
  RUN_KEY,
  RunPath,
  tags,
  text,
  whole,
  withDefault,
} from '../common.ts'
import { EVENT_TYPE, LEVEL, Receipt, SEQUENCE } from '../event.ts'
import { PRIORITY } from '../job.ts'
import { route } from '../route.ts'
import { MODEL, PROVIDER } from '../usage.ts'
import { CheckpointSummary, Output, ToolCall, Usage } from './record.ts'
import { CONCURRENCY_KEY, IDEMPOTENCY_KEY, Run } from './run.ts'
import { TRIGGER_REFUSALS } from './runs.ts'

const tag = 'Running attempt'
const COUNT_MAX = Number.MAX_SAFE_INTEGER
export const FENCED = ['run_not_found', 'stale_lease', 'run_over'] as const

export const getPayload = route({
  method: 'GET',
  path: '/v1/runs/:run_id/payload',
  needs: 'run_token',
  tag,
  name: 'getPayload',
  summary: 'Get the payload of the run, without an envelope.',
  params: RunPath,
  replies: { 200: anyJson('The payload, as it was sent.') },
  refusals: FENCED,
})

export const writeLog = route({
  method: 'POST',
  path: '/v1/runs/:run_id/log',
  needs: 'run_token',
  tag,
  name: 'writeLog',
  summary: "Write a line to the run's log.",
  description: 'A line at level debug is stored only for days, as a delta, unless the run is in debug mode.',
  params: RunPath,
  body: body({
    level: withDefault(LEVEL, 'info'),
    message: text(8192, 'The log line.'),
    data: optional(anyJson('Anything else, as JSON.')),
    type: withDefault(EVENT_TYPE, 'log'),
  }),
  replies: { 201: Receipt },
  refusals: [...FENCED, 'reserved_type'],
})

export const reportProgress = route({
  method: 'POST',
  path: '/v1/runs/:run_id/progress',
  needs: 'run_token',
  tag,
  name: 'reportProgress',
  summary: 'Report the progress of the run.',
  params: RunPath,
  body: body({
    percent: Type.Number({ minimum: 0, maximum: 100, description: 'Progress in percent.' }),
    message: optional(text(8192, 'What is being done, for people.')),
    step: optional(text(128, 'Name of the current step.', { minLength: 1 })),
    eta_secs: optional(Type.Number({ minimum: 0, maximum: INT_MAX, description: 'Estimated seconds left.' })),
  }),
  replies: { 201: Receipt },
  refusals: FENCED,
})

export const annotateRun = route({
  method: 'POST',
  path: '/v1/runs/:run_id/annotate',
  needs: 'run_token',
  tag,
  name: 'annotateRun',
  summary: "Merge annotations into the run's metadata.",
  params: RunPath,
  body: body({ annotations: metadata('Merged into the metadata, which may have at most 50 keys in total.') }),
  replies: { 200: Run },
  refusals: FENCED,
})

export const heartbeat = route({
  method: 'POST',
  path: '/v1/runs/:run_id/heartbeat',
  needs: 'run_token',
  tag,
  name: 'heartbeat',
  summary: 'Renew the lease, and learn whether to pause or stop.',
  params: RunPath,
  body: body({}),
  bodyOptional: true,
  replies: {
    200: Type.Object(
      {
        status: oneOf(['ok'], 'The lease is renewed.'),
        told: nullable(
          oneOf(['pause', 'stop'], ''),
          'pause: save a checkpoint and stop. stop: stop immediately. Null: continue.',
        ),
        lease_expires_in_ms: whole(0, COUNT_MAX, 'Milliseconds until the lease expires unless it is renewed.'),
      },
      { title: 'HeartbeatAnswer' },
    ),
  },
  refusals: FENCED,
})

export const writeCheckpoint = route({
  method: 'POST',
  path: '/v1/runs/:run_id/checkpoint',
  needs: 'run_token',
  tag,
  name: 'writeCheckpoint',
  summary: 'Save a checkpoint: the state that the next attempt starts from.',
  params: RunPath,
  body: body({
    source: withDefault(text(64, 'Name of the writer.', { minLength: 1 }), 'sdk'),
    state: anyJson('The state: any JSON.'),
  }),
  replies: { 201: CheckpointSummary },
  refusals: FENCED,
})

const tokens = (description: string) => withDefault(whole(0, INT_MAX, description), 0)

export const recordUsage = route({
  method: 'POST',
  path: '/v1/runs/:run_id/usage',
  needs: 'run_token',
  tag,
  name: 'recordUsage',
  summary: 'Record the usage of a model call, and charge it to the budgets of its run, agent and project.',
  description:
    'The call has already been made, so its cost is always recorded; over_budget reports a budget that is now overdrawn.',
  params: RunPath,
  body: body({
    provider: PROVIDER,
    model: MODEL,
    prompt_tokens: tokens('Prompt tokens.'),
    completion_tokens: tokens('Completion tokens.'),
    total_tokens: optional(whole(0, INT_MAX, 'Total tokens; defaults to the sum of the two.')),
    cached_tokens: optional(
      whole(0, INT_MAX, 'The part of prompt_tokens that came from a cache; does not change the cost.'),
    ),
    reasoning_tokens: optional(whole(0, INT_MAX, 'The part of completion_tokens that was spent on reasoning.')),
    cost_microusd: optional(
      whole(
        0,
        COST_MICROUSD_MAX,
        'Cost in millionths of a US dollar, at most a million dollars; by default calculated from the price of the model.',
      ),
    ),
  }),
  replies: {
    201: Type.Object({ ...Usage.properties, over_budget: optional(OverBudget) }, { title: 'BookedUsage' }),
  },
  refusals: FENCED,
})

export const recordToolCall = route({
  method: 'POST',
  path: '/v1/runs/:run_id/tool-call',
  needs: 'run_token',
  tag,
  name: 'recordToolCall',
  summary: 'Record a tool call.',
  params: RunPath,
  body: body({
    tool_name: text(128, 'Name of the tool.', { minLength: 1 }),
    input: optional(anyJson('Input of the call: any JSON.')),
    output: optional(anyJson('Output of the call: any JSON.')),
    duration_ms: optional(Type.Number({ minimum: 0, maximum: INT_MAX, description: 'Duration in milliseconds.' })),
    status: withDefault(text(64, 'How the call ended.', { minLength: 1 }), 'completed'),
    step: optional(text(128, 'Step that the call belongs to.', { minLength: 1 })),
  }),
  replies: { 201: ToolCall },
  refusals: FENCED,
})

export const writeOutput = route({
  method: 'POST',
  path: '/v1/runs/:run_id/output',
  needs: 'run_token',
  tag,
  name: 'writeOutput',
  summary: 'Set an output of the run; the same key again replaces it.',
  params: RunPath,
  body: body({
    output_key: optional(text(256, 'Name of the output.', { minLength: 1 })),
    key: optional(text(256, 'Alias of output_key; one of the two is required.', { minLength: 1 })),
    schema: optional(jsonObject('JSON Schema that the value must match, at most 64 KiB.', JSON_SCHEMA_BYTES_MAX)),
    value: anyJson('The output: any JSON.'),
  }),
  replies: { 201: Output },
  refusals: FENCED,
})

export const spawnRun = route({
  method: 'POST',
  path: '/v1/runs/:run_id/spawn',
  needs: 'run_token',
  tag,
  name: 'spawnRun',
  ownKey: true,
  summary: 'Trigger a child run of any job of the project.',
  description:
    'The child shares the correlation id of this run, and is canceled when this run is canceled or fails, unless it is ' +
    'detached. With a `key` that this run has used before, the answer is the child of that key, whatever became of it. ' +
    'With await_completion the lease of this attempt ends, and its executor should stop.',
  params: RunPath,
  body: body({
    job: JOB,
    key: optional(RUN_KEY),
    payload: optional(anyJson('Payload of the child: any JSON.')),
    priority: optional(PRIORITY),
    tags: optional(tags("Merged over the job's tags.")),
    metadata: optional(metadata("Merged over the job's metadata.")),
    idempotency_key: optional(IDEMPOTENCY_KEY),
    concurrency_key: optional(CONCURRENCY_KEY),
    preset: optional(text(63, 'Name of a preset, see /v1/presets.', { minLength: 1 })),
    detached: withDefault(flag('Let the child continue when this run is canceled or fails.'), false),
    await_completion: withDefault(
      flag('Suspend this run until the child ends. Its outcome is then in the state value `spawn-await:<child id>`.'),
      false,
    ),
    await_timeout_secs: withDefault(
      whole(1, 30 * DAY_SECS, 'Seconds after which this run times out waiting; defaults to an hour.'),
      3600,
    ),
  }),
  replies: { 201: Run, 200: Run },
  refusals: [...TRIGGER_REFUSALS, 'stale_lease', 'run_over', 'wrong_state', 'pause_requested', 'idempotency_mismatch'],
})

export const writeChunk = route({
  method: 'POST',
  path: '/v1/runs/:run_id/stream',
  needs: 'run_token',
  tag,
  name: 'writeChunk',
  summary: 'Stream an output chunk, such as the next tokens of a model, to everyone who follows the run.',
  params: RunPath,
  body: body({
    chunk: text(65_536, 'The next piece of output.'),
    stream_id: withDefault(text(128, 'Identifies the stream when a run has several.', { minLength: 1 }), 'default'),
    done: withDefault(flag('True for the last chunk.'), false),
  }),
  replies: {
    200: Type.Object({ status: oneOf(['ok'], 'The chunk is stored.'), sequence: SEQUENCE }, { title: 'ChunkAnswer' }),
  },
  refusals: FENCED,
})
