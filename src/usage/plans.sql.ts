// The plan of a project, and what it has used of it: counters for each day, kept as things are used.
import { rowsOf } from '#postgres/rows.ts'
import type { Db, Fragment } from '#postgres/sql.ts'

export async function findPlan(sql: Db, projectId: string): Promise<string | undefined> {
  const [row] = await sql<{ plan: string }[]>`select plan from projects where id = ${projectId}`
  return row?.plan
}

/** False when there is no such project. */
export async function setPlan(sql: Db, projectId: string, plan: string): Promise<boolean> {
  const [row] = await sql`update projects set plan = ${plan} where id = ${projectId} returning id`
  return row !== undefined
}

/** What one kind of call has added up to. */
export type Used = {
  /** All calls, whatever came of them. */
  requests: number
  /** Calls that count against the plan. */
  charged: number
  /** Calls that were told no: duplicates, and calls past the plan's limit. */
  blocked: number
  /** Calls that only asked how something stands. */
  polling: number
}
export type Use = { projectId: string; kind: string } & Partial<Used>

const COLUMNS = ['requests', 'charged', 'blocked', 'polling'] as const
const NOTHING: Used = { requests: 0, charged: 0, blocked: 0, polling: 0 }

/** Part of a statement, so that its counters commit with what it does: adds `used`, one row per project and kind. */
export const countUse = (sql: Db, used: Fragment): Fragment => sql`
  insert into plan_usage as u (
    project_id,
    kind,
    day,
    shard,
    requests,
    charged,
    blocked,
    polling
  )
  select
    project_id,
    kind,
    (clock_timestamp() at time zone 'UTC')::date,
    pg_backend_pid() % 64,
    requests,
    charged,
    blocked,
    polling
  from ${used} as used
  order by project_id, kind
  on conflict (project_id, kind, day, shard) do update set
    requests = u.requests + excluded.requests,
    charged = u.charged + excluded.charged,
    blocked = u.blocked + excluded.blocked,
    polling = u.polling + excluded.polling`

/** The rows for `countUse`, for use that is added up already. */
export function useRows(sql: Db, uses: readonly Use[]): Fragment {
  const sums = new Map<string, Use & Used>()
  for (const use of uses) {
    const name = JSON.stringify([use.projectId, use.kind])
    const sum = sums.get(name) ?? { ...NOTHING, projectId: use.projectId, kind: use.kind }
    for (const part of COLUMNS) sum[part] += use[part] ?? 0
    sums.set(name, sum)
  }
  const all = [...sums.values()]
  return rowsOf(sql, all, {
    'project_id text': (it) => it.projectId,
    'kind text': (it) => it.kind,
    'requests bigint': (it) => it.requests,
    'charged bigint': (it) => it.charged,
    'blocked bigint': (it) => it.blocked,
    'polling bigint': (it) => it.polling,
  })
}

/** Counts by itself, for what has no statement of its own or shares a transaction with it. */
export async function addUse(sql: Db, uses: readonly Use[]): Promise<void> {
  if (uses.length > 0) await countUse(sql, sql`(select * from ${useRows(sql, uses)})`)
}

/** What projects have used this month, in UTC; those that used nothing are absent. */
export async function readMonth(
  sql: Db,
  projectIds: readonly string[],
): Promise<(Used & { projectId: string; kind: string })[]> {
  const rows = await sql<(Used & { projectId: string; kind: string })[]>`
    select
      project_id as "projectId",
      kind,
      sum(requests)::bigint as requests,
      sum(charged)::bigint as charged,
      sum(blocked)::bigint as blocked,
      sum(polling)::bigint as polling
    from plan_usage
    where project_id = any(${projectIds as string[]}::text[])
      and kind in ('ai', 'make')
      and day >= date_trunc('month', clock_timestamp() at time zone 'UTC')::date
    group by project_id, kind`
  return [...rows]
}

/** Which month it is, as YYYY-MM in UTC, by the clock that counts. */
export async function readMonthName(sql: Db): Promise<string> {
  const [row] = await sql<{ month: string }[]>`select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM') as month`
  return row!.month
}

export type DayUse = Used & { day: string; kind: string }

/** Day by day, both ends included, oldest first. */
export const readDays = async (
  sql: Db,
  projectId: string,
  { from, to }: { from: string; to: string },
): Promise<DayUse[]> => [
  ...(await sql<DayUse[]>`
    select
      to_char(day, 'YYYY-MM-DD') as day,
      kind,
      sum(requests)::bigint as requests,
      sum(charged)::bigint as charged,
      sum(blocked)::bigint as blocked,
      sum(polling)::bigint as polling
    from plan_usage
    where project_id = ${projectId}
      and kind in ('ai', 'make')
      and day between ${from}::date and ${to}::date
    group by day, kind
    order by day, kind`),
]

/**
 * Makes the rest of the transaction the only one that spends these projects' month, on every node: what it reads of it
 * after this stays true until it commits.
 */
export async function lockMonths(tx: Db, projectIds: readonly string[]): Promise<void> {
  // In one order, or two that want both would wait for each other. One at a time: a plan may take them in any order.
  for (const projectId of [...new Set(projectIds)].sort())
    await tx`select pg_advisory_xact_lock(hashtextextended(${`month ${projectId}`}, 8))`
}

export const NOTICES = [
  'email_notifications_enabled',
  'tool_error_notifications_enabled',
  'run_failure_notifications_enabled',
] as const
export type Notices = Record<(typeof NOTICES)[number], boolean>

/** What the people of a project want to be told about; nothing, until they say so. */
const noticesOf = (kept: Partial<Notices> | undefined): Notices =>
  Object.fromEntries(NOTICES.map((name) => [name, kept?.[name] ?? false])) as Notices

export async function readNotices(sql: Db, projectId: string): Promise<Notices> {
  const [row] = await sql<{ notices: Partial<Notices> }[]>`select notices from projects where id = ${projectId}`
  return noticesOf(row?.notices)
}

/** What is not said stays as it is. */
export async function mergeNotices(sql: Db, projectId: string, wanted: Partial<Notices>): Promise<Notices> {
  const said = Object.fromEntries(NOTICES.flatMap((name) => (wanted[name] === undefined ? [] : [[name, wanted[name]]])))
  const [row] = await sql<{ notices: Partial<Notices> }[]>`
    update projects set notices = notices || ${JSON.stringify(said)}::text::jsonb
    where id = ${projectId}
    returning notices`
  return noticesOf(row?.notices)
}

/** Days that counters of use are kept; more than any span of them that can be asked for. */
const USE_DAYS = 800

export async function deleteOldUse(sql: Db, limit: number): Promise<number> {
  const rows = await sql`
    delete from plan_usage where (project_id, kind, day, shard) in (
      select project_id, kind, day, shard from plan_usage
      where day < (clock_timestamp() at time zone 'UTC')::date - ${USE_DAYS}::int limit ${limit})
    returning 1`
  return rows.length
}
