// What filters ask about the runs of events: their job and their tags.
import type { Db } from '#postgres/sql.ts'

export type RunFacts = { runId: string; jobId: string | null; jobSlug: string | null; tags: Record<string, string> }

/** A run that is gone is absent. */
export const readRunFacts = async (sql: Db, runIds: readonly string[]): Promise<RunFacts[]> => [
  ...(await sql<RunFacts[]>`
    select r.id as "runId", r.job_id as "jobId", j.slug as "jobSlug", r.tags
    from runs r
    left join jobs j on j.id = r.job_id
    where r.id = any(${runIds as string[]}::uuid[])`),
]
