import type { FastifyInstance } from 'fastify'
import { maskHeaders } from '#access/mask.ts'
import { newSigningSecret } from '#access/signatures/signature.ts'
import type { Ctx } from '#bell/ctx.ts'
import type { JobPatch } from '#contract/job.ts'
import * as contract from '#contract/jobs.ts'
import { refuse } from '#core/error.ts'
import type { JobDefinition } from '#core/job.ts'
import { createJob, pauseJob, resumeJob, updateJob } from '#jobs/change-jobs.ts'
import { findJobVersion, type JobRow, type JobVersionRow, listJobs, listJobVersions } from '#jobs/jobs.sql.ts'
import { requireJob } from '#jobs/require-job.ts'
import { nextTicks } from '#jobs/schedule.ts'
import { removeJob } from '#runs/control/remove-job.ts'
import { implement } from '../implement.ts'
import { createdCursor, createdKey, decodeCursor, encodeCursor, INT, pageOf } from '../wire/cursor.ts'
import { fromWire, labelsMeant, toWire } from '../wire/words.ts'

const definitionOf = ({ rateLimit, throttle, debounce, ...it }: JobDefinition) => ({
  ...toWire({ ...it, endpointHeaders: maskHeaders(it.endpointHeaders) }),
  rate_limit: rateLimit && toWire(rateLimit),
  throttle: throttle && toWire(throttle),
  debounce: debounce && toWire(debounce),
})

/** The settings of limits over time have names of their own inside, and what they leave out is null. */
function definitionFrom(input: JobPatch): Partial<JobDefinition> {
  const { rate_limit, throttle, debounce, ...plain } = input
  return {
    ...(fromWire(plain) as Partial<JobDefinition>),
    ...(rate_limit !== undefined && { rateLimit: rate_limit && { key: null, ...fromWire(rate_limit) } }),
    ...(throttle !== undefined && { throttle: throttle && { key: null, ...fromWire(throttle) } }),
    ...(debounce !== undefined && {
      debounce: debounce && { key: null, maxDelaySecs: null, ...fromWire(debounce) },
    }),
  }
}

export const jobWire = ({ definition, signingSecret: _, deletedAt: __, ...row }: JobRow) => ({
  ...toWire(row),
  ...definitionOf(definition),
})

export const versionWire = ({ definition, ...row }: JobVersionRow, slug: string) => ({
  ...toWire(row),
  definition: { slug, ...definitionOf(definition) },
})

export function jobRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.createJob, async (input, { projectId, actor }) => {
    const { slug, name, ...rest } = input
    const signingSecret = newSigningSecret()
    const definition = definitionFrom({ ...rest, name: name ?? slug }) as JobDefinition
    const job = await createJob(ctx, { projectId, actor, slug, definition, signingSecret })
    return { ...jobWire(job), signing_secret: signingSecret }
  })
  implement(app, contract.listJobs, async ({ slug, execution, tag, cursor, limit }, { projectId }) => {
    const after = createdCursor('jobs', cursor)
    const rows = await listJobs(ctx.reads, {
      projectId,
      slug,
      execution,
      tags: (tag ?? []).map(labelsMeant),
      after,
      limit: limit + 1,
    })
    return pageOf(rows, limit, {
      wire: jobWire,
      cursor: (job) => encodeCursor('jobs', createdKey(job)),
    })
  })
  implement(app, contract.getJob, async ({ job }, { projectId }) => jobWire(await requireJob(ctx, projectId, job)))
  implement(app, contract.updateJob, async ({ job, slug, ...patch }, { projectId, actor }) => {
    return jobWire(await updateJob(ctx, { projectId, actor, job, slug, patch: definitionFrom(patch) }))
  })
  implement(app, contract.deleteJob, async ({ job, cancel_runs }, { projectId, actor }) => {
    await removeJob(ctx, { projectId, actor, job, cancelRuns: cancel_runs })
    return undefined
  })
  implement(app, contract.pauseJob, async ({ job, reason }, { projectId, actor }) =>
    jobWire(await pauseJob(ctx, { projectId, actor, job, reason })),
  )
  implement(app, contract.resumeJob, async ({ job }, { projectId, actor }) =>
    jobWire(await resumeJob(ctx, { projectId, actor, job })),
  )
  implement(app, contract.getSchedule, async ({ job, count }, { projectId }) => {
    const { definition } = await requireJob(ctx, projectId, job)
    const { cron, timezone, enabled } = definition
    const next = cron === null ? [] : nextTicks(cron, timezone, { after: new Date(ctx.nowMs()), count })
    return { cron, timezone, fires: cron !== null && enabled, next: next.map((tick) => tick.toISOString()) }
  })
  implement(app, contract.listJobVersions, async ({ job, cursor, limit }, { projectId }) => {
    const found = await requireJob(ctx, projectId, job)
    const before = decodeCursor('versions', cursor, [INT])
    const rows = await listJobVersions(ctx.reads, found.id, { before: before && Number(before[0]), limit: limit + 1 })
    return pageOf(rows, limit, {
      wire: (row) => versionWire(row, found.slug),
      cursor: (row) => encodeCursor('versions', [row.version]),
    })
  })
  implement(app, contract.getJobVersion, async ({ job, version }, { projectId }) => {
    const found = await requireJob(ctx, projectId, job)
    const row = await findJobVersion(ctx.sql, found.id, version)
    if (!row) throw refuse('version_not_found', { job, version })
    return versionWire(row, found.slug)
  })
}
