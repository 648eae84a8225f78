// How far the logs of projects have been compared with their seals, and what was found.
import type { Db } from '#postgres/sql.ts'

export type SealCheck = {
  projectId: string
  /** The last seal that was found good; 0 for none. */
  number: number
  hash: string
  /** All of the log was compared, and that began longer ago than a pass may be old. */
  isPassOver: boolean
}

/** Takes the check that has been due for longest, of a project with a rule that asks for it, and sets its next. */
export async function takeSealCheck(
  sql: Db,
  { everySecs, passHours }: { everySecs: number; passHours: number },
): Promise<SealCheck | undefined> {
  const [row] = await sql<SealCheck[]>`
    insert into seal_checks as c (project_id, number, hash, began_at, check_at)
    select due.project_id, 0, '', clock_timestamp(), clock_timestamp() + ${everySecs}::float8 * interval '1 s'
    from (
      select r.project_id
      from (select distinct project_id from alert_rules where enabled and kind = 'seals_broken') r
      left join seal_checks known on known.project_id = r.project_id
      where known.project_id is null or known.check_at <= clock_timestamp()
      order by known.check_at nulls first, r.project_id limit 1
    ) due
    on conflict (project_id) do update set check_at = excluded.check_at
    -- Another node may have taken it meanwhile.
    where c.check_at <= clock_timestamp()
    returning
      project_id as "projectId",
      number,
      hash,
      ended_at is not null and began_at < clock_timestamp() - ${passHours}::float8 * interval '1 hour' as "isPassOver"`
  return row
}

type Found = {
  number: number
  hash: string
  problem: string | null
  /** A pass that has met a problem stays there, and does not begin anew. */
  pass: 'under way' | 'at its end'
  begins: 'now' | 'before'
}

export const saveSealCheck = (sql: Db, projectId: string, { number, hash, problem, pass, begins }: Found) => sql`
  update seal_checks
  set
    number = ${number}::bigint,
    hash = ${hash},
    problem = ${problem},
    checked_at = clock_timestamp(),
    began_at = case when ${begins === 'now'}::boolean then clock_timestamp() else began_at end,
    ended_at = case when ${pass === 'at its end'}::boolean then clock_timestamp() end
  where project_id = ${projectId}`

/** Undefined where nothing has been looked at; null where nothing was found so far. */
export async function findSealProblem(sql: Db, projectId: string): Promise<string | null | undefined> {
  const [row] = await sql<{ problem: string | null }[]>`
    select problem from seal_checks where project_id = ${projectId} and checked_at is not null`
  return row?.problem
}
