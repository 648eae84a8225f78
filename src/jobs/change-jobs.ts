// Jobs: created, updated (each update is a version), paused, resumed, deleted. Each change and its event
// are one transaction.

import { checkEndpoint, egressOf } from '#access/egress/egress.ts'
import { headersProblem } from '#access/egress/headers.ts'
import { unmaskHeaders } from '#access/mask.ts'
import { problemsUnder, schemaProblem } from '#access/schema/json-schema.ts'
import type { Ctx } from '#bell/ctx.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import type { JobDefinition } from '#core/job.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import { parsedJson } from '#core/json/json.ts'
import { record } from '#log/record.ts'
import { newId } from '#postgres/id.ts'
import { type Db, isDuplicate } from '#postgres/sql.ts'
import { jobsOf } from './job-cache.ts'
import { changeJob, findJob, insertJob, type JobRow, setPaused } from './jobs.sql.ts'
import { requireJob } from './require-job.ts'
import { cronProblem, isTimezone, nextTick } from './schedule.ts'

/** Of several people who change one job at the same time, one succeeds per round. */
const TRIES_MAX = 50

type Asked = Cause & { projectId: string }

/** Creates version 1 of a job. `signingSecret` signs requests to its endpoint. */
export async function createJob(
  ctx: Ctx,
  asked: Asked & { slug: string; definition: JobDefinition; signingSecret: string },
): Promise<JobRow> {
  const { projectId, slug, signingSecret } = asked
  const definition = withSecretsKept(asked.definition, {})
  await checkDefinition(ctx, projectId, definition)
  const id = newId()
  await writeJobChange(ctx, asked, { jobId: id, type: 'job.created', data: { slug, version: 1 } }, async (tx) => {
    const inserted = await insertJob(tx, {
      id,
      projectId,
      slug,
      versionId: newId(),
      definition,
      signingSecret,
      nextCronAt: nextCron(ctx, definition),
      createdBy: asked.actor.id,
    })
    if (!inserted) throw refuse('job_exists', { slug })
  })
  return (await findJob(ctx.sql, projectId, { id }))!
}

type JobChange = {
  job: string
  slug?: string | undefined
  patch: Partial<JobDefinition>
  /** Not part of a version: an endpoint verifies with one secret at a time. */
  signingSecret?: string | undefined
}

/**
 * Merges `patch` over the job's current version, as a new version; runs in progress keep theirs. A patch that changes
 * nothing makes none: clients cannot tell by themselves, since what they read is masked.
 */
export async function updateJob(ctx: Ctx, asked: Asked & JobChange): Promise<JobRow> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const job = await requireJob(ctx, asked.projectId, asked.job)
    const definition = { ...job.definition, ...withSecretsKept(asked.patch, job.definition.endpointHeaders) }
    const slug = asked.slug ?? job.slug
    const isSame = slug === job.slug && canonicalJson(definition) === canonicalJson(job.definition)
    if (isSame && asked.signingSecret === undefined) return job
    await checkDefinition(ctx, asked.projectId, definition, job.definition)
    if (slug !== job.slug && (await findJob(ctx.sql, asked.projectId, { slug }))) throw refuse('job_exists', { slug })
    const version = job.version + 1
    // An unchanged cron keeps its next tick, whatever that is by now: it may fire while we read.
    const sameCron =
      definition.cron === job.definition.cron &&
      definition.timezone === job.definition.timezone &&
      definition.enabled === job.definition.enabled
    const nextCronAt = sameCron ? ('as it is' as const) : nextCron(ctx, definition)
    const changes = [...Object.keys(asked.patch), ...(asked.signingSecret === undefined ? [] : ['signingSecret'])]
    const changed = await writeJobChange(
      ctx,
      asked,
      { jobId: job.id, type: 'job.updated', data: { slug, version, fields: changes } },
      async (tx, rollBack) => {
        const isFirst = await changeJob(tx, {
          id: newId(),
          jobId: job.id,
          version,
          slug,
          definition,
          nextCronAt,
          signingSecret: asked.signingSecret,
          createdBy: asked.actor.id,
        })
        // Another version was created first; ours is made again on top of it.
        return isFirst || rollBack()
      },
    ).catch((error: unknown) => {
      // Another job took the slug after we looked.
      throw isDuplicate(error) ? refuse('job_exists', { slug }) : error
    })
    jobsOf(ctx).forget(asked.projectId, asked.job)
    if (changed) return (await findJob(ctx.sql, asked.projectId, { id: job.id }))!
  }
  throw new Error(`job ${asked.job} kept changing while it was being updated`)
}

/** While a job is paused, none of its runs are claimed; new runs wait or are refused, as the job says. */
export async function pauseJob(ctx: Ctx, asked: Asked & { job: string; reason?: string | undefined }): Promise<JobRow> {
  const job = await requireJob(ctx, asked.projectId, asked.job)
  if (!job.pausedAt) {
    await writeJobChange(
      ctx,
      asked,
      { jobId: job.id, type: 'job.paused', data: { slug: job.slug, reason: asked.reason ?? null } },
      async (tx) => {
        await setPaused(tx, job.id, { reason: asked.reason })
      },
    )
  }
  return requireJob(ctx, asked.projectId, job.id)
}

export async function resumeJob(ctx: Ctx, asked: Asked & { job: string }): Promise<JobRow> {
  const job = await requireJob(ctx, asked.projectId, asked.job)
  if (job.pausedAt) {
    await writeJobChange(ctx, asked, { jobId: job.id, type: 'job.resumed', data: { slug: job.slug } }, async (tx) => {
      await setPaused(tx, job.id, undefined)
    })
  }
  ctx.ring(['queues'])
  return requireJob(ctx, asked.projectId, job.id)
}

const nextCron = (ctx: Ctx, definition: JobDefinition): Date | undefined =>
  definition.cron && definition.enabled
    ? nextTick(definition.cron, definition.timezone, new Date(ctx.nowMs()))
    : undefined

/**
 * Validates only what differs from `before`: something that was valid once, such as a cron that has fired, is no reason
 * to refuse another change. A job that is being enabled is validated in full.
 */
async function checkDefinition(ctx: Ctx, projectId: string, it: JobDefinition, before?: JobDefinition): Promise<void> {
  const isNew = (...fields: (keyof JobDefinition)[]) =>
    !before ||
    (it.enabled && !before.enabled) ||
    fields.some((field) => canonicalJson(it[field]) !== canonicalJson(before[field]))
  if (isNew('execution', 'endpointUrl')) await checkEndpointOf(ctx, it)
  const wrongHeaders = isNew('endpointHeaders') && headersProblem(it.endpointHeaders)
  if (wrongHeaders) throw refuseField('endpoint_headers', wrongHeaders)
  for (const [field, name] of [
    ['payload_schema', 'payloadSchema'],
    ['result_schema', 'resultSchema'],
  ] as const) {
    const problem = it[name] && isNew(name) && (await schemaProblem(it[name], projectId))
    if (problem) throw refuseField(field, problem)
  }
  if (isNew('retryStrategy', 'retryDelaysSecs') && it.retryStrategy === 'custom' && it.retryDelaysSecs.length === 0)
    throw refuseField('retry_delays_secs', 'is required when retry_strategy is custom')
  if (isNew('rateLimit', 'throttle', 'debounce', 'execution')) checkFlow(it)
  if (isNew('timezone') && !isTimezone(it.timezone)) throw refuseField('timezone', 'is not an IANA time zone')
  if (isNew('cronPayload', 'payloadSchema')) await checkCronPayload(projectId, it)
  if (it.cron === null || !isNew('cron', 'timezone', 'execution')) return
  if (it.execution === 'external') throw refuseField('cron', 'is not used when execution is external')
  const problem = cronProblem(it.cron, it.timezone, new Date(ctx.nowMs()))
  if (problem) throw refuseField(problem.field, problem.message)
}

function checkFlow({ execution, rateLimit, throttle, debounce }: JobDefinition): void {
  for (const [field, setting] of Object.entries({ rate_limit: rateLimit, throttle, debounce }))
    if (setting && execution === 'external') throw refuseField(field, 'is not used when execution is external')
  if (debounce?.maxDelaySecs != null && debounce.maxDelaySecs < debounce.periodSecs)
    throw refuseField('debounce.max_delay_secs', 'must not be less than debounce.period_secs')
}

/** Otherwise each tick would be refused, and only the log would say so. */
async function checkCronPayload(projectId: string, { payloadSchema, cronPayload }: JobDefinition): Promise<void> {
  if (!payloadSchema || parsedJson(cronPayload) === null) return
  const about = { projectId, schema: payloadSchema, value: cronPayload, name: 'cron_payload' }
  const fields = await problemsUnder(about)
  if (fields.length > 0) throw refuse('invalid', { fields })
}

async function checkEndpointOf(ctx: Ctx, { execution, endpointUrl }: JobDefinition): Promise<void> {
  if (execution !== 'http') {
    if (endpointUrl) throw refuseField('endpoint_url', `is not used when execution is ${execution}`)
    return
  }
  if (!endpointUrl) throw refuseField('endpoint_url', 'is required when execution is http')
  const checked = await checkEndpoint(endpointUrl, egressOf(ctx))
  if (!checked.ok) throw refuseField('endpoint_url', checked.message)
}

/** A client that sends back what it was shown does not change the masked secrets. */
function withSecretsKept<T extends Partial<JobDefinition>>(sent: T, kept: JobDefinition['endpointHeaders']): T {
  if (!sent.endpointHeaders) return sent
  const unmasked = unmaskHeaders(sent.endpointHeaders, kept)
  if ('problem' in unmasked) throw refuseField('endpoint_headers', unmasked.problem)
  return { ...sent, endpointHeaders: unmasked.values }
}

type Fact = { jobId: string; type: string; data: object }

/** Writes a change of a job and its event in one transaction. Undefined when `write` rolled it back. */
export function writeJobChange<Result>(
  ctx: Ctx,
  asked: Asked,
  fact: Fact,
  write: (tx: Db, rollBack: () => never) => Promise<Result>,
): Promise<Result | undefined> {
  const event = {
    projectId: asked.projectId,
    type: fact.type,
    actor: asked.actor,
    correlationId: asked.correlationId,
    causationId: asked.causationId,
    resourceType: 'job',
    resourceId: fact.jobId,
    data: fact.data,
  }
  return record<Result | undefined>(ctx, async (tx, rollBack) => ({
    result: await write(tx, () => rollBack({ result: undefined, events: [] })),
    events: [event],
    rings: ['timers', 'waits'],
  }))
}
