// How far the logs of projects have been compared with their seals.
import type { Db } from '#postgres/sql.ts'

export type SealCheck = {
  /** The last seal that was found good; 0 for none. */
  number: number
  hash: string
  /** All of the log was compared, and that began longer ago than a pass may be old. */
  isPassOver: boolean
}

export async function findSealCheck(sql: Db, projectId: string, passHours: number): Promise<SealCheck | undefined> {
  const [row] = await sql<SealCheck[]>`
    select
      number,
      hash,
      ended_at is not null and began_at < clock_timestamp() - ${passHours}::float8 * interval '1 hour' as "isPassOver"
    from seal_checks where project_id = ${projectId}`
  return row
}

type Found = { number: number; hash: string; isAnew: boolean; isAtEnd: boolean }

export const saveSealCheck = (sql: Db, projectId: string, { number, hash, isAnew, isAtEnd }: Found) => sql`
  insert into seal_checks as c (project_id, number, hash, began_at, ended_at)
  values (
    ${projectId},
    ${number}::bigint,
    ${hash},
    clock_timestamp(),
    case when ${isAtEnd}::boolean then clock_timestamp() end
  )
  on conflict (project_id) do update set
    number = excluded.number,
    hash = excluded.hash,
    began_at = case when ${isAnew}::boolean then excluded.began_at else c.began_at end,
    -- A pass that has met a problem stays there, and does not begin anew.
    ended_at = excluded.ended_at`
