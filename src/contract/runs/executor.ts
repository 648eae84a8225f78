// What a running attempt may call with its run token. The token names run, attempt and lease: a call of an
// attempt that was replaced or stopped answers 409 stale_lease and changes nothing.
import { Type } from 'typebox'
import { COST_MICROUSD_MAX } from '#core/prices.ts'
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
  replies: { 200: anyJson('The payload as it was sent.') },
  refusals: FENCED,
})

export const writeLog = route({
  method: 'POST',
  path: '/v1/runs/:run_id/log',
  needs: 'run_token',
  tag,
  name: 'writeLog',
  summary: "Write a line to the run's log.",
  description: 'A line of level debug is a delta, kept for days only, unless the run is in debug mode.',
  params: RunPath,
  body: body({
    level: withDefault(LEVEL, 'info'),
    message: text(8192, 'The line.'),
    data: optional(anyJson('Whatever else there is to say; any JSON.')),
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
    percent: Type.Number({ minimum: 0, maximum: 100, description: 'Percent done.' }),
    message: optional(text(8192, 'What is being done.')),
    step: optional(text(128, 'The step that is being done.', { minLength: 1 })),
    eta_secs: optional(Type.Number({ minimum: 0, maximum: INT_MAX, description: 'Seconds left, as far as known.' })),
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
  body: body({ annotations: metadata('Merged into the metadata; 50 keys at most in all.') }),
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
          'pause: write a checkpoint and stop. stop: stop at once. Null: go on.',
        ),
        lease_expires_in_ms: whole(0, COUNT_MAX, 'Milliseconds until the lease ends unless it is renewed.'),
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
  summary: 'Save a checkpoint: the state that the next attempt begins from.',
  params: RunPath,
  body: body({
    source: withDefault(text(64, 'Who wrote it.', { minLength: 1 }), 'sdk'),
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
  summary: 'Book what a call of a model used, and charge it to the budgets of its run, agent and project.',
  description: 'It was made already, so it is booked in any case; over_budget tells that a budget is overdrawn by now.',
  params: RunPath,
  body: body({
    provider: PROVIDER,
    model: MODEL,
    prompt_tokens: tokens('Tokens read.'),
    completion_tokens: tokens('Tokens written.'),
    total_tokens: optional(whole(0, INT_MAX, 'Tokens in all; the sum of both when left out.')),
    cost_microusd: optional(
      whole(
        0,
        COST_MICROUSD_MAX,
        'Cost in millionths of a US dollar; a million dollars at most. Filled in from the price of the model when left out.',
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
    tool_name: text(128, 'The tool.', { minLength: 1 }),
    input: optional(anyJson('What it was given.')),
    output: optional(anyJson('What it gave.')),
    duration_ms: optional(
      Type.Number({ minimum: 0, maximum: INT_MAX, description: 'How long it took, in milliseconds.' }),
    ),
    status: withDefault(text(64, 'How it ended.', { minLength: 1 }), 'completed'),
    step: optional(text(128, 'The step that it belongs to.', { minLength: 1 })),
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
    key: optional(text(256, 'The same as output_key, of which one must be given.', { minLength: 1 })),
    schema: optional(jsonObject('JSON Schema that the value must meet; 64 KiB at most.', JSON_SCHEMA_BYTES_MAX)),
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
  summary: 'Trigger a child run of any job of the project.',
  description:
    'The child carries the correlation of this run; a cancel or a failure of this run reaches it, unless it is ' +
    'detached. With await_completion the lease of this attempt ends, and its executor should stop.',
  params: RunPath,
  body: body({
    job: JOB,
    payload: optional(anyJson('What the child works on.')),
    priority: optional(PRIORITY),
    tags: optional(tags("Laid over the job's tags.")),
    metadata: optional(metadata("Laid over the job's metadata.")),
    idempotency_key: optional(IDEMPOTENCY_KEY),
    concurrency_key: optional(CONCURRENCY_KEY),
    preset: optional(text(63, 'Name of the settings that it is executed with; see /v1/presets.', { minLength: 1 })),
    detached: withDefault(flag('Let the child go on when this run is canceled or fails.'), false),
    await_completion: withDefault(
      flag('Put this run to rest until the child is over. How it ended is then the value `spawn-await:<child id>`.'),
      false,
    ),
    await_timeout_secs: withDefault(
      whole(1, 30 * 86_400, 'Seconds after which this run has timed out waiting; an hour when left out.'),
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
  summary: 'Stream a chunk, such as the next words of a model, to all watchers.',
  params: RunPath,
  body: body({
    chunk: text(65_536, 'The next piece.'),
    stream_id: withDefault(text(128, 'Tells streams of one run apart.', { minLength: 1 }), 'default'),
    done: withDefault(flag('True with the last piece.'), false),
  }),
  replies: {
    200: Type.Object({ status: oneOf(['ok'], 'The chunk is kept.'), sequence: SEQUENCE }, { title: 'ChunkAnswer' }),
  },
  refusals: FENCED,
})
