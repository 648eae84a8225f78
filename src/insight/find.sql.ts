// Finding things by what a person has of them: an id or its beginning, a slug, the name of an agent.
import { derivedId, isUuid } from '#postgres/id.ts'
import type { Db } from '#postgres/sql.ts'

export type Found = { type: 'run' | 'job' | 'agent' | 'operation'; id: string; name: string | null }

export type Wanted = { projectId: string; text: string; limit: number }

/** Shorter beginnings of an id would name too many runs: they begin with the time. */
const ID_PREFIX_MIN = 8
const ID_PREFIX = /^[0-9a-f]{8}[0-9a-f-]*$/i

/** The ids that begin so; undefined for what is no beginning of an id. */
function idRange(text: string): { from: string; to: string } | undefined {
  const digits = text.replaceAll('-', '').toLowerCase()
  if (!ID_PREFIX.test(text) || digits.length < ID_PREFIX_MIN || digits.length > 32) return undefined
  return { from: digits.padEnd(32, '0'), to: digits.padEnd(32, 'f') }
}

/** By the beginning of an id, or by the string that a client chose as the id of an external run; newest first. */
export async function findRuns(sql: Db, { projectId, text, limit }: Wanted): Promise<Found[]> {
  const range = idRange(text)
  const exact = [derivedId(projectId, text), ...(isUuid(text) ? [text.toLowerCase()] : [])]
  const where = range
    ? sql`r.id between ${range.from}::uuid and ${range.to}::uuid or r.id = any(${exact}::uuid[])`
    : sql`r.id = any(${exact}::uuid[])`
  return [
    ...(await sql<Found[]>`
      select 'run' as type, coalesce(r.client_id, r.id::text) as id, j.slug as name
      from runs r left join jobs j on j.id = r.job_id
      where r.project_id = ${projectId}
        and (${where})
      order by r.id desc
      limit ${limit}`),
  ]
}

/** By the beginning of a slug, or by the beginning of an id. */
export async function findJobs(sql: Db, { projectId, text, limit }: Wanted): Promise<Found[]> {
  const range = idRange(text)
  return [
    ...(await sql<Found[]>`
      select 'job' as type, id::text, slug as name from jobs
      where project_id = ${projectId}
        and deleted_at is null
        and (starts_with(slug, ${text}) ${range ? sql`or id between ${range.from}::uuid and ${range.to}::uuid` : sql``})
      order by slug
      limit ${limit}`),
  ]
}

export const findAgents = async (sql: Db, { projectId, text, limit }: Wanted): Promise<Found[]> => [
  ...(await sql<Found[]>`
    select 'agent' as type, id, null as name from agents
    where project_id = ${projectId}
      and id >= ${text}
      and starts_with(id, ${text})
    order by id
    limit ${limit}`),
]

export async function findOperations(sql: Db, { projectId, text, limit }: Wanted): Promise<Found[]> {
  const range = idRange(text)
  if (!range) return []
  return [
    ...(await sql<Found[]>`
      select 'operation' as type, id::text, kind as name from operations
      where project_id = ${projectId}
        and id between ${range.from}::uuid and ${range.to}::uuid
      order by id desc
      limit ${limit}`),
  ]
}
