// Lists of runs in pages by number (offset), and how many runs they have. A run with a pending question is told apart
// from others of its state. Where counters and indexes cannot tell, a list has a window: the newest runs of its user,
// session or job.

import type { RunState } from '#core/run.ts'
import { type Db, type Fragment, joined } from '#postgres/sql.ts'
import { labelled } from '../labels.sql.ts'
import type { RunBody } from './read-runs.sql.ts'
import { besideRun, pageInOrder, type RunRow, readRunCounts, runColumns } from './read-runs.sql.ts'
import { rangesOfStates } from './state-ranges.sql.ts'

/** Runs in one of the states of `free` in which nobody is asked, and of `asked` in which somebody is. */
export type Standing = { free: readonly RunState[]; asked: readonly RunState[] }

export type NumberedRuns = {
  projectId: string
  /** All of them when absent. */
  standing?: Standing | undefined
  metadata: readonly [key: string, value: string][]
  jobId?: string | undefined
  order: 'newest' | 'oldest'
  limit: number
  offset: number
}

/** The newest runs of a user, session or job that a list looks at. */
export const WINDOW = 10_000
/** Pending questions of a project that a list looks at, the latest first. */
const QUESTIONS_MAX = 10_000

export async function countNumberedRuns(sql: Db, it: NumberedRuns): Promise<number> {
  if (isWindowed(it)) {
    const [row] = await sql<{ n: number }[]>`select count(*)::int as n from (${ofWindow(sql, it)}) listed`
    return row!.n
  }
  const inState = new Map<string, number>()
  for (const { state, n } of await readRunCounts(sql, it.projectId)) inState.set(state, (inState.get(state) ?? 0) + n)
  if (!it.standing) return sum([...inState.values()])
  const { free, asked } = it.standing
  const apart = asked.some((state) => !free.includes(state)) || free.some((state) => !asked.includes(state))
  const askedIn = apart ? await countAsked(sql, it.projectId) : new Map<string, number>()
  const freeIn = (state: string) => Math.max(0, (inState.get(state) ?? 0) - (askedIn.get(state) ?? 0))
  return sum(free.map(freeIn)) + sum(asked.map((state) => askedIn.get(state) ?? 0))
}

/** Runs in which somebody is asked, by state. */
async function countAsked(sql: Db, projectId: string): Promise<Map<string, number>> {
  const rows = await sql<{ state: string; n: number }[]>`
    select state, count(*)::int as n from (${askedRuns(sql, projectId)}) asked group by state`
  return new Map(rows.map((row) => [row.state, row.n]))
}

export async function listNumberedRuns(sql: Db, it: NumberedRuns): Promise<RunRow[]> {
  const way = isWindowed(it) ? ofWindow(sql, it) : ofStates(sql, it)
  const rows = await sql<RunRow[]>`
    with page as materialized (
      select created_at, id from (${way}) way ${inOrder(sql, it.order)} offset ${it.offset}::int limit ${it.limit}::int
    )
    select ${runColumns(sql)}
    from page
    join runs r on r.id = page.id
    join run_states s on s.run_id = page.id
    ${besideRun(sql)}
    ${pageInOrder(sql, it.order)}`
  return [...rows]
}

const isWindowed = ({ metadata, jobId }: NumberedRuns): boolean => metadata.length > 0 || jobId !== undefined

const inOrder = (sql: Db, order: NumberedRuns['order']): Fragment =>
  order === 'newest' ? sql`order by created_at desc, id desc` : sql`order by created_at, id`

/** Index ranges that hold the runs of the list and no others, each as far as the page reaches. */
function ofStates(sql: Db, { projectId, standing, order, offset, limit }: NumberedRuns): Fragment {
  const reach = sql`${inOrder(sql, order)} limit ${offset + limit}::int`
  if (!standing) return sql`select created_at, id from runs where project_id = ${projectId} ${reach}`
  const { free, asked } = standing
  const ranges = free.map((state) => {
    const unasked = asked.includes(state)
      ? sql``
      : sql`and not exists (select from input_requests i where i.run_id = s.id and i.state = 'pending')`
    const parts = (rangesOfStates(sql, projectId, [state]) ?? [runsOf(sql, projectId)]).map(
      (part) => sql`(
        select created_at, id from (${part}) s
        where (select state from run_states where run_id = s.id) = ${state} ${unasked} ${reach})`,
    )
    return sql`(select created_at, id from (${united(sql, parts)}) range ${reach})`
  })
  const apart = asked.filter((state) => !free.includes(state))
  if (apart.length > 0) {
    ranges.push(sql`(
      select created_at, id from (${askedRuns(sql, projectId)}) asked where state = any(${apart}::text[]) ${reach})`)
  }
  return united(sql, ranges)
}

const united = (sql: Db, parts: readonly Fragment[]): Fragment =>
  parts.reduce((all, one) => sql`${all} union all ${one}`)

const runsOf = (sql: Db, projectId: string): Fragment =>
  sql`select created_at, id from runs where project_id = ${projectId}`

const askedRuns = (sql: Db, projectId: string): Fragment => sql`
  select s.created_at, s.run_id as id, s.state
  from (
    select distinct run_id from (
      select run_id from input_requests where project_id = ${projectId} and state = 'pending'
      order by created_at desc, id desc limit ${QUESTIONS_MAX}
    ) questions where run_id is not null
  ) asking
  -- "offset 0": looked up one by one, however many the planner takes them for.
  cross join lateral (select created_at, run_id, state from run_states where run_id = asking.run_id offset 0) s`

/** The runs of the window that the filter lets through. A label is a hash, so the run itself is asked as well. */
function ofWindow(sql: Db, { projectId, standing, metadata, jobId }: NumberedRuns): Fragment {
  const newest = sql`order by created_at desc, 2 desc limit ${WINDOW}::int`
  const [first] = metadata
  const window = first
    ? sql`select created_at, run_id as id from run_labels
        where ${labelled(sql, projectId, { kind: 'metadata', key: first[0], value: first[1] })} ${newest}`
    : sql`select created_at, id from runs where job_id = ${jobId!} ${newest}`
  const conditions = [
    sql`r.project_id = ${projectId}`,
    ...metadata.map(([key, value]) => sql`and r.metadata->>${key}::text = ${value}::text`),
    ...(jobId === undefined ? [] : [sql`and r.job_id = ${jobId}`]),
    ...(standing ? [sql`and ${standsSo(sql, standing)}`] : []),
  ]
  return sql`
    select created_at, id from (${window}) window_
    where (select true from (select * from runs where id = window_.id offset 0) r where ${joined(sql, conditions)})`
}

const standsSo = (sql: Db, { free, asked }: Standing): Fragment => sql`
  (
    select case
      when exists (
        select from input_requests i where i.run_id = r.id and i.state = 'pending'
      ) then s.state = any(${asked as string[]}::text[])
      else s.state = any(${free as string[]}::text[])
    end
    from run_states s
    where s.run_id = r.id
  )`

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0)

/** What these runs were given and gave, in their order: as many as are `bytesMax` together, at least one. */
export async function readBodiesOfPage(
  sql: Db,
  runIds: readonly string[],
  bytesMax: number,
): Promise<Map<string, Pick<RunBody, 'payload' | 'result'>>> {
  const rows = await sql<(Pick<RunBody, 'payload' | 'result'> & { id: string })[]>`
    with stored as materialized (
      select t.ord, t.id, b.payload, b.result,
        sum(coalesce(pg_column_size(b.payload), 0) + coalesce(pg_column_size(b.result), 0)) over before as stored_before
      from unnest(${runIds as string[]}::uuid[]) with ordinality as t (id, ord)
      cross join lateral (select payload, result from run_bodies where run_id = t.id offset 0) b
      window before as (order by t.ord rows between unbounded preceding and 1 preceding)
    )
    select id, payload, result from (
      -- What is packed is measured only as far as the packed page reaches.
      select *, sum(coalesce(octet_length(payload::text), 0) + coalesce(octet_length(result::text), 0))
        over (order by ord rows between unbounded preceding and 1 preceding) as bytes_before
      from stored where coalesce(stored_before, 0) < ${bytesMax}::bigint
    ) measured where coalesce(bytes_before, 0) < ${bytesMax}::bigint`
  return new Map(rows.map(({ id, ...body }) => [id, body]))
}
