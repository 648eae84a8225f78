// The app of a request. Dynamiq serves each app under its own host; here an app is a job.
import type { FastifyRequest } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { refuseField } from '#core/error.ts'
import { findJob, type JobRow, listJobs } from '#jobs/jobs.sql.ts'
import { requireJob } from '#jobs/require-job.ts'

const DEFAULT_SLUG = 'default'

/** The app named by the header or by the parameter; both may be sent if they agree. */
export async function findNamedApp(ctx: Ctx, request: FastifyRequest, projectId: string): Promise<JobRow | undefined> {
  const header = request.headers['x-app-id']
  const parameter = (request.query as { app?: string }).app
  const name = typeof header === 'string' && header !== '' ? header : parameter
  if (name === undefined) return undefined
  if (parameter !== undefined && parameter !== name) throw refuseField('app', 'differs from the header X-App-Id')
  return requireJob(ctx, projectId, name)
}

/** The app for which runs are created: the named one, or else the default of the project. */
export async function findApp(ctx: Ctx, request: FastifyRequest, projectId: string): Promise<JobRow> {
  const app =
    (await findNamedApp(ctx, request, projectId)) ?? (await findJob(ctx.sql, projectId, { slug: DEFAULT_SLUG }))
  if (app) return app
  const [only, another] = await listJobs(ctx.reads, { projectId, tags: [], limit: 2 })
  if (only && !another) return only
  throw refuseField(
    'X-App-Id',
    `must name a job by id or slug: this project has ${only ? 'several' : 'none'}, and none with the slug ${DEFAULT_SLUG}`,
  )
}
