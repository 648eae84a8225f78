// Triggers of Strait's jobs: one run, or up to 500 as a batch.

import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { type Static, type TProperties, Type } from 'typebox'
import type { Ctx } from '#bell/ctx.ts'
import {
  anyJson,
  flag,
  INT_MAX,
  JobPath,
  metadata,
  nullable,
  oneOf,
  optional,
  tags,
  text,
  time,
  uuid,
  whole,
} from '#contract/common.ts'
import { PRIORITY, RETRY_STRATEGIES } from '#contract/job.ts'
import { type Route, route } from '#contract/route.ts'
import { DAY_SECS } from '#core/durations.ts'
import { type Refusal, refuse, refuseField } from '#core/error.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { parseTraceparent } from '#core/runs/trace-context.ts'
import { idempotencyKeyOf, type ScopedCaller } from '#http/caller.ts'
import { answer, implement } from '#http/implement.ts'
import { itemProblemOf } from '#http/problems.ts'
import type { JobRow } from '#jobs/jobs.sql.ts'
import { requireJob } from '#jobs/require-job.ts'
import type { RunRequest } from '#runs/trigger/run-request.ts'
import { triggerBatch } from '#runs/trigger/trigger-batch.ts'
import { triggerRun, triggerRuns } from '#runs/trigger/trigger-runs.ts'
import { tryTriggers } from '#runs/trigger/try-trigger.ts'
import { filled } from './run-wire.ts'

const MIB = 1024 * 1024
const ITEMS_MAX = 500
const TTL_SECS_MAX = 2_592_000
const AHEAD_MS_MAX = 30 * DAY_SECS * 1000

/** Closed, like the schemas of jobs. Strait's debounce and batch windows are not supported, nor are their keys. */
const closed = <P extends TProperties>(properties: P, title: string) =>
  Type.Object(properties, { title, additionalProperties: false })

const item = {
  payload: optional(anyJson('Payload of the run.', MIB)),
  tags: optional(tags("Merged over the job's tags.")),
  metadata: optional(metadata("Merged over the job's default_run_metadata.")),
  scheduled_at: optional(nullable(time('Start at this time, at most 30 days ahead.'))),
  priority: optional(PRIORITY),
  ttl_secs: optional(
    whole(0, TTL_SECS_MAX, "The run expires if it has not started after this many seconds; 0: the job's run_ttl_secs."),
  ),
  concurrency_key: optional(text(256, 'Runs with the same key share max_concurrency_per_key.')),
  max_attempts_override: optional(whole(1, 100, "Overrides the job's max_attempts.")),
  timeout_secs_override: optional(whole(1, DAY_SECS, "Overrides the job's timeout_secs.")),
  retry_backoff: optional(oneOf(RETRY_STRATEGIES, "Overrides the job's retry_strategy.")),
  retry_initial_delay_secs: optional(whole(0, DAY_SECS, 'Delay before the second attempt, in seconds.')),
  retry_max_delay_secs: optional(whole(0, DAY_SECS, 'Upper limit of the retry delay, in seconds.')),
  debug_mode: optional(flag('Run in debug mode.')),
  debounce_key: optional(text(256, 'Not supported: must be empty.')),
  batch_key: optional(text(256, 'Not supported: must be empty.')),
}
const keyed = {
  ...item,
  idempotency_key: optional(text(256, 'Alternative to the Idempotency-Key header; "" means none.')),
}
const TriggerInput = closed({ ...keyed, dry_run: optional(flag('Only validate; create nothing.')) }, 'TriggerInput')
const BulkItem = closed(keyed, 'BulkTriggerItem')
type BulkItem = Static<typeof BulkItem>

const RUN_ID = uuid('Id of the run.')
const HIT = flag('True when the idempotency key returned an earlier run.')

/** The response of a dry run: the run that would be created. */
const dryRun = {
  dry_run: optional(flag('True: nothing was created.')),
  job: optional(
    Type.Object(
      {
        id: uuid('Id of the job.'),
        name: Type.String({ description: 'Name of the job.' }),
        slug: Type.String({ description: 'Slug of the job.' }),
        execution_mode: oneOf(['http', 'worker', 'external'], 'Who executes it.'),
        queue: optional(Type.String({ description: 'Queue of the job.' })),
        timeout_secs: whole(1, INT_MAX, 'Timeout of one attempt, in seconds.'),
        max_attempts: whole(1, INT_MAX, 'Maximum number of attempts.'),
        version: whole(1, INT_MAX, 'Version of the job that the run would have.'),
        version_id: uuid('Id of that version.'),
      },
      { title: 'DryRunJob' },
    ),
  ),
  payload: optional(anyJson('Payload that the run would have.')),
  scheduled_at: optional(time('When it would start, if a time was given.')),
  expires_at: optional(time('When it would expire, if ever.')),
}

const TriggerReply = Type.Object(
  {
    id: optional(RUN_ID),
    status: optional(Type.String({ description: 'State of the run.' })),
    payload_hash: Type.String({ description: 'SHA-256 of the payload as canonical JSON, in hexadecimal.' }),
    idempotency_hit: HIT,
    ...dryRun,
  },
  { title: 'TriggerReply' },
)

const trigger = route({
  method: 'POST',
  path: '/v1/jobs/:job/trigger',
  needs: 'runs:trigger',
  tag: 'Jobs',
  name: 'triggerRun',
  // A repeated key is answered with the run itself.
  keepsReply: false,
  ownKey: true,
  summary: 'Trigger a run of a job.',
  description: 'The Idempotency-Key header makes retries safe: a repeated key returns the first run with 200.',
  params: JobPath,
  body: TriggerInput,
  bodyOptional: true,
  replies: { 201: TriggerReply, 200: TriggerReply },
  refusals: ['job_not_found', 'job_paused', 'job_disabled', 'job_external', 'idempotency_mismatch'],
})

const triggerBulk = route({
  method: 'POST',
  path: '/v1/jobs/:job/trigger/bulk',
  needs: 'runs:trigger',
  tag: 'Jobs',
  name: 'triggerRuns',
  summary: 'Trigger up to 500 runs of a job as a batch.',
  description: 'An invalid item refuses the whole batch, before any run is created.',
  params: JobPath,
  body: closed(
    { items: Type.Array(BulkItem, { minItems: 1, maxItems: ITEMS_MAX, description: 'The runs to trigger.' }) },
    'BulkTriggerInput',
  ),
  bodyBytesMax: 16 * MIB,
  replies: {
    201: Type.Object(
      {
        batch_id: uuid('Id of the batch.'),
        results: Type.Array(
          Type.Object({
            id: optional(RUN_ID),
            status: Type.String({ description: 'State of the run; `failed` when none was created.' }),
            idempotency_hit: HIT,
            error: optional(Type.String({ description: 'Why no run was created.' })),
          }),
          { description: 'One result per item, in request order.' },
        ),
        total: whole(0, INT_MAX, 'Items in the request.'),
        created: whole(0, INT_MAX, 'Runs that were created.'),
      },
      { title: 'BulkTriggerReply' },
    ),
  },
  refusals: ['job_not_found', 'job_paused', 'job_disabled', 'job_external'],
})

export const TRIGGER_ROUTES = [trigger, triggerBulk] as const satisfies readonly Route[]

export function triggerRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, trigger, async ({ job, dry_run, idempotency_key, ...input }, caller, request, reply) => {
    const { traceparent } = request.headers as { traceparent?: string }
    const asked: RunRequest = {
      ...requestOf(ctx, input, ''),
      idempotencyKey: idempotencyKeyOf(request, idempotency_key || undefined),
      traceparent: parseTraceparent(traceparent) ? traceparent : undefined,
    }
    const payload_hash = hashOf(input.payload)
    if (dry_run) {
      const [problem] = await tryTriggers(ctx, { ...originOf(caller), job }, [asked])
      if (problem) throw problem
      const found = await requireJob(ctx, caller.projectId, job)
      return answer(200, { ...foreseen(ctx, found, asked), payload_hash, idempotency_hit: false, dry_run })
    }
    const { run, replayed } = await triggerRun(ctx, job, asked, originOf(caller))
    const body = { id: run.publicId, status: run.state, payload_hash, idempotency_hit: replayed }
    if (replayed) reply.header('idempotency-replayed', 'true')
    return replayed ? answer(200, body) : answer(201, body)
  })
  implement(app, triggerBulk, async ({ job, items }, caller, request) => {
    const asked = items.map((input, index) => ({
      ...requestOf(ctx, input, `items[${index}].`),
      idempotencyKey: input.idempotency_key || undefined,
    }))
    const origin = originOf(caller)
    const problems = await tryTriggers(ctx, { ...origin, job }, asked)
    problems.forEach((problem, index) => {
      if (problem) throw ofItem(problem, index)
    })
    const batch = { ...origin, job, itemCount: items.length }
    const { batchId, outcomes } = await triggerBatch(ctx, batch, (batchId) =>
      triggerRuns(ctx, job, asked, { ...origin, batchId }),
    )
    const results = outcomes.map((it) =>
      it instanceof Error
        ? { status: 'failed', idempotency_hit: false, error: itemProblemOf(it, request).message }
        : { id: it.run.publicId, status: it.run.state, idempotency_hit: it.replayed },
    )
    const created = results.filter((it) => it.id !== undefined && !it.idempotency_hit).length
    return { batch_id: batchId, results, total: results.length, created }
  })
}

/** What a trigger would create. */
function foreseen(ctx: Ctx, { id, slug, version, versionId, definition }: JobRow, asked: RunRequest) {
  const ttlSecs = asked.ttlSecs ?? definition.runTtlSecs
  const beginsMs = asked.scheduledAt?.getTime() ?? ctx.nowMs()
  return filled({
    job: {
      id,
      name: definition.name,
      slug,
      execution_mode: definition.execution,
      queue: definition.queue,
      timeout_secs: asked.timeoutSecs ?? definition.timeoutSecs,
      max_attempts: asked.maxAttempts ?? definition.maxAttempts,
      version,
      version_id: versionId,
    },
    payload: asked.payload,
    scheduled_at: asked.scheduledAt?.toISOString(),
    expires_at: ttlSecs === null ? undefined : new Date(beginsMs + ttlSecs * 1000).toISOString(),
  })
}

const originOf = ({ projectId, actor }: ScopedCaller) => ({ projectId, actor, triggeredBy: 'manual' as const })

const hashOf = (payload: unknown): string =>
  createHash('sha256')
    .update(canonicalJson(payload ?? null))
    .digest('hex')

/** Translates a trigger into our request. `at` is its path in the body, for errors. */
function requestOf(ctx: Ctx, it: Omit<BulkItem, 'idempotency_key'>, at: string): RunRequest {
  for (const name of ['debounce_key', 'batch_key'] as const)
    if (it[name]) throw refuseField(`${at}${name}`, 'is not supported by this installation; leave it out')
  const scheduledAt = it.scheduled_at ? new Date(it.scheduled_at) : undefined
  if (scheduledAt && scheduledAt.getTime() > ctx.nowMs() + AHEAD_MS_MAX)
    throw refuseField(`${at}scheduled_at`, 'is more than 30 days ahead')
  const asked = {
    payload: it.payload,
    tags: it.tags,
    metadata: it.metadata,
    scheduledAt,
    priority: it.priority,
    ttlSecs: it.ttl_secs || undefined,
    concurrencyKey: it.concurrency_key || undefined,
    maxAttempts: it.max_attempts_override,
    timeoutSecs: it.timeout_secs_override,
    retryStrategy: it.retry_backoff,
    retryInitialDelaySecs: it.retry_initial_delay_secs,
    retryMaxDelaySecs: it.retry_max_delay_secs,
    debugMode: it.debug_mode,
  }
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined)) as RunRequest
}

/** The same refusal, with its field names prefixed by the path of the item. */
function ofItem(problem: Refusal, index: number): Refusal {
  if (problem.code !== 'invalid') return problem
  const { fields } = problem.details as { fields: { field: string; message: string }[] }
  return refuse('invalid', { fields: fields.map((one) => ({ ...one, field: `items[${index}].${one.field}` })) })
}
