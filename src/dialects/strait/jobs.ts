// Strait's jobs, over the same actions as ours.

import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { refuse, refuseField } from '#core/error.ts'
import { RUN_STATES, type RunState } from '#core/run.ts'
import { cutText } from '#core/storable.ts'
import { askedBy } from '#http/caller.ts'
import { implement } from '#http/implement.ts'
import { createdKey } from '#http/wire/cursor.ts'
import { toWire } from '#http/wire/words.ts'
import { readJobHealth } from '#insight/job-health.sql.ts'
import { createJob, pauseJob, resumeJob, updateJob } from '#jobs/change-jobs.ts'
import { type DependencyRow, listDependencies } from '#jobs/dependencies.sql.ts'
import { addDependency, removeDependency } from '#jobs/job-dependencies.ts'
import { findJobVersion, findJobVersionById, listJobs, listJobVersions } from '#jobs/jobs.sql.ts'
import { requireJob } from '#jobs/require-job.ts'
import { readRunCounts, type StateCount } from '#run-state/read/read-runs.sql.ts'
import { versionFrom } from '#run-state/read/run-places.sql.ts'
import { removeJob } from '#runs/control/remove-job.ts'
import * as contract from './jobs-contract.ts'
import { healthOf, WINDOW_SECS } from './jobs-health.ts'
import { TRIGGER_ROUTES, triggerRoutes } from './jobs-trigger.ts'
import { changesOf, jobWire, newJob, versionWire } from './jobs-wire.ts'
import { checkProjectOfBulk, checkProjectOfRead, createdPlace, numberPlace, pageOf, shown, untied } from './paging.ts'

export const STRAIT_JOB_ROUTES = [...contract.JOB_ROUTES, ...TRIGGER_ROUTES]

export function straitJobRoutes(app: FastifyInstance, { ctx }: { ctx: Ctx }): void {
  jobRoutes(app, ctx)
  versionRoutes(app, ctx)
  dependencyRoutes(app, ctx)
  triggerRoutes(app, ctx)
}

function jobRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.createJob, async (input, caller) => {
    checkProjectOfBulk(input.project_id, caller)
    const { patch, signingSecret = '' } = changesOf(input)
    const definition = newJob({ ...patch, name: input.name })
    return jobWire(await createJob(ctx, { ...askedBy(caller), slug: input.slug, definition, signingSecret }))
  })
  implement(app, contract.listJobs, async ({ tag_key, tag_value, ...page }, caller, request, reply) => {
    checkProjectOfRead(page.project_id, caller)
    if (tag_value !== undefined && tag_key === undefined) throw refuseField('tag_key', 'is required with tag_value')
    const filter = {
      projectId: caller.projectId,
      slug: page.slug,
      tags: tag_key === undefined ? [] : [[[tag_key, tag_value] satisfies [string, string | undefined]]],
      after: createdPlace('strait-jobs', page.cursor, 'newest'),
    }
    const found = await untied(shown(page.limit), (limit) => listJobs(ctx.reads, { ...filter, limit }))
    return pageOf(request, reply, { ...found, list: 'strait-jobs', place: createdKey }).map(jobWire)
  })
  implement(app, contract.getJob, async ({ job }, { projectId }) => jobWire(await requireJob(ctx, projectId, job)))
  implement(app, contract.updateJob, async ({ job, ...input }, caller) => {
    checkProjectOfBulk(input.project_id, caller)
    return jobWire(await updateJob(ctx, { ...askedBy(caller), job, slug: input.slug, ...changesOf(input) }))
  })
  implement(app, contract.deleteJob, async ({ job }, caller) => {
    await removeJob(ctx, { ...askedBy(caller), job, cancelRuns: false })
    return undefined
  })
  implement(app, contract.pauseJob, async ({ job, reason }, caller) =>
    jobWire(await pauseJob(ctx, { ...askedBy(caller), job, reason })),
  )
  implement(app, contract.resumeJob, async ({ job }, caller) =>
    jobWire(await resumeJob(ctx, { ...askedBy(caller), job })),
  )
  implement(app, contract.cloneJob, async ({ job, slug, name }, caller) => {
    const { definition, signingSecret, ...old } = await requireJob(ctx, caller.projectId, job)
    const made = await createJob(ctx, {
      ...askedBy(caller),
      slug: slug ?? copyOf(old.slug),
      definition: { ...definition, name: name ?? definition.name },
      signingSecret,
    })
    return jobWire(made)
  })
  implement(app, contract.getJobHealth, async ({ job, window }, { projectId }) => {
    const { id, definition, pausedAt } = await requireJob(ctx, projectId, job)
    const health = await readJobHealth(ctx.reads, id, WINDOW_SECS[window])
    return {
      job_id: id,
      window,
      since: health.since.toISOString(),
      ...healthOf(health),
      enabled: definition.enabled,
      paused: pausedAt !== null,
      counts: countsOf(await readRunCounts(ctx.reads, projectId, id)),
    }
  })
}

const SLUG_LENGTH_MAX = 63
const copyOf = (slug: string): string => `${cutText(slug, SLUG_LENGTH_MAX - '-copy'.length)}-copy`

/** Counters of several queues and jobs, summed; every state is present. */
export function countsOf(rows: readonly StateCount[]): Record<RunState, number> {
  const counts = Object.fromEntries(RUN_STATES.map((state) => [state, 0])) as Record<RunState, number>
  for (const { state, n } of rows) counts[state] += n
  return counts
}

function versionRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listJobVersions, async ({ job, cursor, ...page }, { projectId }, request, reply) => {
    const found = await requireJob(ctx, projectId, job)
    const limit = shown(page.limit)
    const before = await numberPlace('strait-versions', cursor, (moment) => versionFrom(ctx.reads, found.id, moment))
    const rows = await listJobVersions(ctx.reads, found.id, { before, limit: limit + 1 })
    const versions = pageOf(request, reply, { rows, limit, list: 'strait-versions', place: (row) => [row.version] })
    return versions.map((version) => versionWire(version, found))
  })
  implement(app, contract.getJobVersion, async ({ job, version }, { projectId }) => {
    const found = await requireJob(ctx, projectId, job)
    const number = /^\d{1,9}$/.test(version) ? Number(version) : undefined
    const row = await (number === undefined
      ? findJobVersionById(ctx.sql, found.id, version)
      : findJobVersion(ctx.sql, found.id, number))
    if (!row) throw refuse('version_not_found', { job, version })
    return versionWire(row, found)
  })
}

const dependencyWire = (row: DependencyRow) => toWire(row)

function dependencyRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listDependencies, async ({ job }, { projectId }) => {
    const { id } = await requireJob(ctx, projectId, job)
    return (await listDependencies(ctx.sql, id)).map(dependencyWire)
  })
  implement(app, contract.addDependency, async ({ job, depends_on_job_id, condition = 'completed' }, caller) =>
    dependencyWire(await addDependency(ctx, { ...askedBy(caller), job, dependsOn: depends_on_job_id, condition })),
  )
  implement(app, contract.removeDependency, async ({ job, dependency }, caller) => {
    await removeDependency(ctx, { ...askedBy(caller), job, dependency })
    return undefined
  })
}
