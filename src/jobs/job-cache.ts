// Caches jobs by id or slug, and versions by number. A version never changes. A current job may be stale here, which
// does no harm: the statement that creates runs compares the version, and reports a mismatch.
import { LRUCache } from 'lru-cache'
import { part } from '#bell/part.ts'
import { isUuid } from '#postgres/id.ts'
import type { Sql } from '#postgres/sql.ts'
import { findJob, findJobVersion, type JobRow, type JobVersionRow, readJobs } from './jobs.sql.ts'

const JOBS_MAX = 5_000
/** Memory of a cached row: schemas, headers and other text that clients put into a definition are most of it. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024
/** Memory of a row: per character of its definition, and fixed. */
const BYTES_PER_CHARACTER = 3
const BYTES_EACH = 2_000

const BOUNDS = {
  max: JOBS_MAX,
  maxSize: KEPT_BYTES_MAX,
  sizeCalculation: ({ definition }: Pick<JobRow, 'definition'>) =>
    JSON.stringify(definition).length * BYTES_PER_CHARACTER + BYTES_EACH,
}

export type JobCache = {
  /** By id or slug; undefined when the project has no such job. */
  find: (projectId: string, job: string) => Promise<JobRow | undefined>
  forget: (projectId: string, job: string) => void
  version: (jobId: string, version: number) => Promise<JobVersionRow>
  /** The job of a run, which exists even if it has been deleted since. */
  ofRun: (jobId: string) => Promise<JobRow>
}

export const jobsOf = part<JobCache>(({ sql }) => jobCache(sql))

function jobCache(sql: Sql): JobCache {
  const jobs = new LRUCache<string, JobRow>(BOUNDS)
  // Slugs may change, and executors may learn of it a little later.
  const byId = new LRUCache<string, JobRow>({ ...BOUNDS, ttl: 10_000 })
  const versions = new LRUCache<string, JobVersionRow>(BOUNDS)
  async function ofRun(jobId: string): Promise<JobRow> {
    const known = byId.get(jobId)
    if (known) return known
    const [job] = await readJobs(sql, [jobId])
    if (!job) throw new Error(`job ${jobId} is missing`)
    byId.set(jobId, job)
    return job
  }
  return {
    async find(projectId, job) {
      const key = `${projectId}/${job}`
      const known = jobs.get(key)
      if (known) return known
      const found = await findJobByIdOrSlug(sql, projectId, job)
      if (found) jobs.set(key, found)
      return found
    },
    forget: (projectId, job) => void jobs.delete(`${projectId}/${job}`),
    async version(jobId, version) {
      const key = `${jobId}/${version}`
      const known = versions.get(key)
      if (known) return known
      const found = await findJobVersion(sql, jobId, version)
      if (!found) throw new Error(`version ${version} of job ${jobId} is missing`)
      versions.set(key, found)
      return found
    },
    ofRun,
  }
}

/** A slug may look like an id, so an id that is not found is tried as a slug. */
export async function findJobByIdOrSlug(sql: Sql, projectId: string, job: string): Promise<JobRow | undefined> {
  return (
    (isUuid(job) ? await findJob(sql, projectId, { id: job }) : undefined) ?? findJob(sql, projectId, { slug: job })
  )
}
