// Jobs and their versions. The row of a job says what every trigger and claim asks for; its versions never change.
import { type JobDefinition, PLAIN_JOB } from '#core/job.ts'
import type { Json } from '#core/json/json.ts'
import { isUuid } from '#postgres/id.ts'
import { jsonText } from '#postgres/json.ts'
import { valuesOf } from '#postgres/rows.ts'
import { type Db, joined } from '#postgres/sql.ts'

export type JobRow = {
  id: string
  projectId: string
  slug: string
  version: number
  versionId: string
  definition: JobDefinition
  signingSecret: string
  pausedAt: Date | null
  pauseReason: string | null
  deletedAt: Date | null
  nextCronAt: Date | null
  /** How many other jobs it depends on. */
  dependencies: number
  createdAt: Date
  updatedAt: Date
}

export type JobVersionRow = {
  id: string
  jobId: string
  version: number
  definition: JobDefinition
  createdAt: Date
  createdBy: string | null
}

type Kept<Row> = Row & { cronPayload: Json | null }

/** Settings that older versions do not have. */
const SINCE = { rateLimit: PLAIN_JOB.rateLimit, throttle: PLAIN_JOB.throttle, debounce: PLAIN_JOB.debounce }

/** The payload of cron stands in a column of its own, as it was written; in the definition of older versions. */
function whole<Row extends { definition: JobDefinition }>({ cronPayload, ...rest }: Kept<Row>): Row {
  const row = rest as unknown as Row
  return { ...row, definition: { ...SINCE, ...row.definition, ...(cronPayload !== null && { cronPayload }) } }
}

/** What a claim asks of the throttle, beside the limits of concurrency. */
const throttleOf = ({ throttle }: JobDefinition) => ({
  limit: throttle?.limit ?? 0,
  periodSecs: throttle?.periodSecs ?? 0,
  perKey: throttle?.key != null,
})

const columns = (sql: Db) => sql`
  j.id,
  j.project_id as "projectId",
  j.slug,
  j.version,
  v.id as "versionId",
  v.definition,
  v.cron_payload as "cronPayload",
  j.signing_secret as "signingSecret",
  j.paused_at as "pausedAt",
  j.pause_reason as "pauseReason",
  j.deleted_at as "deletedAt",
  j.next_cron_at as "nextCronAt",
  j.dependencies,
  j.created_at as "createdAt",
  j.updated_at as "updatedAt"
  from jobs j
  join job_versions v on v.job_id = j.id and v.version = j.version`

/** By id or by slug. Deleted jobs are found by neither. */
export async function findJob(
  sql: Db,
  projectId: string,
  job: { id: string } | { slug: string },
): Promise<JobRow | undefined> {
  const [row] = await sql<Kept<JobRow>[]>`
    select ${columns(sql)}
    where j.project_id = ${projectId}
      and j.deleted_at is null
      and ${'id' in job ? sql`j.id = ${job.id}` : sql`j.slug = ${job.slug}`}`
  return row && whole(row)
}

/** Jobs by their ids, whichever project they belong to, deleted ones too: for the engine. */
export const readJobs = async (sql: Db, ids: readonly string[]): Promise<JobRow[]> => [
  ...(await sql<Kept<JobRow>[]>`select ${columns(sql)} where j.id = any(${ids as string[]}::uuid[])`).map((row) =>
    whole(row),
  ),
]

export type JobFilter = {
  projectId: string
  slug?: string | undefined
  execution?: string | undefined
  /** Of each of these lists, one tag must be there. */
  tags: (readonly [key: string, value: string | undefined])[][]
  after?: { createdAt: string; id: string } | undefined
  limit: number
}

/** Newest first. */
export const listJobs = async (sql: Db, filter: JobFilter): Promise<JobRow[]> => [
  ...(
    await sql<Kept<JobRow>[]>`
    select ${columns(sql)}
    where j.project_id = ${filter.projectId}
      and j.deleted_at is null
      ${filter.slug === undefined ? sql`` : sql`and j.slug = ${filter.slug}`}
      ${filter.execution === undefined ? sql`` : sql`and j.execution = ${filter.execution}`}
      ${joined(
        sql,
        filter.tags.map((meant) => {
          const each = meant.map(([key, value]) =>
            value === undefined ? sql`v.definition->'tags' ? ${key}` : sql`v.definition->'tags'->>${key} = ${value}`,
          )
          return sql`and (${each.reduce((all, one) => sql`${all} or ${one}`)})`
        }),
      )}
      ${filter.after ? isAfter(sql, filter.after) : sql``}
    order by j.created_at desc, j.id desc limit ${filter.limit}`
  ).map((row) => whole(row)),
]

const isAfter = (sql: Db, { createdAt, id }: NonNullable<JobFilter['after']>) =>
  sql`and (j.created_at, j.id) < (${createdAt}::timestamptz, ${id}::uuid)`

export type NewJob = {
  id: string
  projectId: string
  slug: string
  versionId: string
  definition: JobDefinition
  signingSecret: string
  nextCronAt: Date | undefined
  createdBy: string | null
}

/** False when the slug is taken. */
export async function insertJob(sql: Db, job: NewJob): Promise<boolean> {
  const { definition: it } = job
  const throttle = throttleOf(it)
  const [row] = await sql`
    insert into jobs ${valuesOf(sql, {
      id: job.id,
      project_id: job.projectId,
      slug: job.slug,
      version: sql`1`,
      execution: it.execution,
      queue: it.queue,
      enabled: it.enabled,
      when_paused: it.whenPaused,
      max_concurrency: it.maxConcurrency,
      max_concurrency_per_key: it.maxConcurrencyPerKey,
      throttle_limit: throttle.limit,
      throttle_period_secs: throttle.periodSecs,
      throttle_per_key: throttle.perKey,
      signing_secret: job.signingSecret,
      next_cron_at: job.nextCronAt ?? null,
    })}
    on conflict (project_id, slug) where deleted_at is null do nothing
    returning id`
  if (!row) return false
  await insertVersion(sql, { id: job.versionId, jobId: job.id, version: 1, definition: it, createdBy: job.createdBy })
  return true
}

type NewVersion = { id: string; jobId: string; version: number; definition: JobDefinition; createdBy: string | null }

const insertVersion = (sql: Db, it: NewVersion) => sql`
  insert into job_versions ${valuesOf(sql, {
    id: it.id,
    job_id: it.jobId,
    version: it.version,
    definition: sql`${jsonText({ ...it.definition, cronPayload: null })}::text::jsonb`,
    cron_payload: sql`${jsonText(it.definition.cronPayload ?? undefined)}::text::json`,
    created_by: it.createdBy,
  })}`

/** Puts a new version in force; false when somebody else has changed the job since `version - 1` was read. */
export async function changeJob(
  sql: Db,
  it: NewVersion & { slug: string; nextCronAt: Date | undefined | 'as it is'; signingSecret?: string | undefined },
): Promise<boolean> {
  const { definition } = it
  const throttle = throttleOf(definition)
  const [row] = await sql`
    update jobs
    set
      version = ${it.version},
      slug = ${it.slug},
      execution = ${definition.execution},
      queue = ${definition.queue},
      enabled = ${definition.enabled},
      when_paused = ${definition.whenPaused},
      max_concurrency = ${definition.maxConcurrency},
      max_concurrency_per_key = ${definition.maxConcurrencyPerKey},
      throttle_limit = ${throttle.limit},
      throttle_period_secs = ${throttle.periodSecs},
      throttle_per_key = ${throttle.perKey},
      signing_secret = coalesce(${it.signingSecret ?? null}, signing_secret),
      next_cron_at = ${it.nextCronAt === 'as it is' ? sql`next_cron_at` : sql`${it.nextCronAt ?? null}`},
      updated_at = clock_timestamp()
    where id = ${it.jobId}
      and version = ${it.version - 1}
      and deleted_at is null
    returning id`
  if (!row) return false
  await insertVersion(sql, it)
  return true
}

/** Undefined when the job is in that condition already, or is gone. */
export async function setPaused(
  sql: Db,
  jobId: string,
  pause: { reason: string | undefined } | undefined,
): Promise<boolean> {
  const [row] = await (pause
    ? sql`
      update jobs
      set paused_at = clock_timestamp(), pause_reason = ${pause.reason ?? null}, updated_at = clock_timestamp()
      where id = ${jobId}
        and paused_at is null
        and deleted_at is null
      returning id`
    : sql`
      update jobs set paused_at = null, pause_reason = null, updated_at = clock_timestamp()
      where id = ${jobId}
        and paused_at is not null
        and deleted_at is null
      returning id`)
  return row !== undefined
}

export async function deleteJob(sql: Db, jobId: string): Promise<boolean> {
  const [row] = await sql`
    update jobs set deleted_at = clock_timestamp(), next_cron_at = null, updated_at = clock_timestamp()
    where id = ${jobId} and deleted_at is null returning id`
  return row !== undefined
}

const versionColumns = (sql: Db) => sql`
  id,
  job_id as "jobId",
  version,
  definition,
  cron_payload as "cronPayload",
  created_at as "createdAt",
  created_by as "createdBy"
  from job_versions`

export const listJobVersions = async (
  sql: Db,
  jobId: string,
  page: { before?: number | undefined; limit: number },
): Promise<JobVersionRow[]> => [
  ...(
    await sql<Kept<JobVersionRow>[]>`
    select ${versionColumns(sql)}
    where job_id = ${jobId} ${page.before === undefined ? sql`` : sql`and version < ${page.before}`}
    order by version desc limit ${page.limit}`
  ).map((row) => whole(row)),
]

/** Versions never change, so the answer may be kept for ever. */
export async function findJobVersion(sql: Db, jobId: string, version: number): Promise<JobVersionRow | undefined> {
  const [row] = await sql<
    Kept<JobVersionRow>[]
  >`select ${versionColumns(sql)} where job_id = ${jobId} and version = ${version}`
  return row && whole(row)
}

export async function findJobVersionById(sql: Db, jobId: string, id: string): Promise<JobVersionRow | undefined> {
  if (!isUuid(id)) return undefined
  const [row] = await sql<Kept<JobVersionRow>[]>`select ${versionColumns(sql)} where id = ${id} and job_id = ${jobId}`
  return row && whole(row)
}
