// Lists of runs: any filters together, by creation time, ties by id. See decision 0010.
import { HTTP_QUEUE } from '#core/queue.ts'
import { ofChain } from '#log/lists/runs-of-chain.sql.ts'
import { instantText } from '#postgres/instant.ts'
import { type Db, type Fragment, joined } from '#postgres/sql.ts'
import { labelled } from '../labels.sql.ts'
import { besideRun, pageInOrder, type RunRow, runColumns } from './read-runs.sql.ts'
import { rangesOfStates } from './state-ranges.sql.ts'

export type RunPlace = { createdAt: string; id: string }

export type RunFilter = {
  projectId: string
  states?: readonly string[] | undefined
  jobId?: string | undefined
  tags?: [key: string, value: string | undefined][] | undefined
  metadata?: [key: string, value: string | undefined][] | undefined
  triggeredBy?: string | undefined
  /** Any of these, for a surface that has one word for several. */
  triggers?: readonly string[] | undefined
  batchId?: string | undefined
  /** Who executes it. */
  execution?: string | undefined
  parentRunId?: string | undefined
  correlationId?: string | undefined
  queue?: string | undefined
  agentId?: string | undefined
  createdFrom?: string | undefined
  createdTo?: string | undefined
  /** Of runs that are over. */
  finishedFrom?: string | undefined
  finishedTo?: string | undefined
  errorCode?: string | undefined
  errorGroup?: string | undefined
  /** JSON text that the payload must contain. */
  payloadContains?: string | undefined
  after?: RunPlace | undefined
  order: 'newest' | 'oldest'
  limit: number
}

/** Where the next page begins: after this place, which need not be that of a run of the list. */
export type RunPage = { rows: RunRow[]; next: RunPlace | undefined }

/** A page looks at so many runs at most, or a filter that few runs pass would hold a connection for seconds. */
const LOOKED_MAX = 5_000
/** So many of each way are walked to see which is the narrowest. */
const SAMPLE = 1_000

/** All runs up to the limit, however many have to be looked at. */
export async function listRuns(sql: Db, filter: RunFilter): Promise<RunRow[]> {
  const rows: RunRow[] = []
  let after = filter.after
  do {
    const page = await listRunsPage(sql, { ...filter, after, limit: filter.limit - rows.length })
    rows.push(...page.rows)
    after = page.next
  } while (after && rows.length < filter.limit)
  return rows
}

/** May hold fewer runs than `limit`, or none, although there is more: see LOOKED_MAX. */
export async function listRunsPage(sql: Db, filter: RunFilter): Promise<RunPage> {
  const ways = waysTo(sql, filter)
  const way = ways[ways.length === 1 ? 0 : await narrowest(sql, filter, ways)]!
  const walk = (offset: number, limit: number) =>
    sql`select created_at, id from (${way}) way ${inOrder(sql, filter)} offset ${offset}::int limit ${limit}::int`
  const found = await sql<(RunRow & { endedAt: Date | null; endedId: string })[]>`
    with page as materialized (
      -- One look-up by id for each, in the order of the way and until the page is full. A join, or conditions beside
      -- the id (hence "offset 0"), would let the planner choose another way again.
      select created_at, id from (${walk(0, LOOKED_MAX)}) looked
      where (select true from (select * from runs where id = looked.id offset 0) r where ${conditions(sql, filter)})
        ${inOrder(sql, filter)}
      limit ${filter.limit + 1}::int
    ), ended as materialized (
      -- The last that was looked at: walked to once more, when the page is not full.
      select created_at, id from (${walk(LOOKED_MAX - 1, 1)}) last
      where (select count(*) from page) <= ${filter.limit}::int
    )
    select ${runColumns(sql)}, ended.created_at as "endedAt", ended.id as "endedId"
    from (select) always
    left join ended on true
    left join page on true
    left join runs r on r.id = page.id
    left join run_states s on s.run_id = r.id
    ${besideRun(sql)}
    ${pageInOrder(sql, filter.order)}`
  const rows = found.filter((row) => row.id !== null).map(({ endedAt, endedId, ...row }) => row)
  const { endedAt, endedId } = found[0]!
  if (endedAt) return { rows, next: { createdAt: instantText(endedAt), id: endedId } }
  if (rows.length <= filter.limit) return { rows, next: undefined }
  const { createdAt, id } = rows[filter.limit - 1]!
  return { rows: rows.slice(0, filter.limit), next: { createdAt: instantText(createdAt), id } }
}

const inOrder = (sql: Db, { order }: RunFilter): Fragment =>
  order === 'newest' ? sql`order by created_at desc, id desc` : sql`order by created_at, id`

/** Index ranges that hold every run of the list, each in its order. */
function waysTo(sql: Db, it: RunFilter): Fragment[] {
  const runsWhere = (condition: Fragment) =>
    sql`select created_at, id from runs where project_id = ${it.projectId} ${condition} ${within(sql, it, 'id')}`
  const ways: Fragment[] = []
  if (it.states?.length) {
    const ranges = rangesOfStates(sql, it.projectId, it.states)
    if (ranges?.length) {
      const bounded = ranges.map((range) => sql`${range} ${within(sql, it, 'run_id')}`)
      ways.push(merged(sql, it, bounded))
    }
  }
  const failedWhere = (condition: Fragment) => sql`
    select created_at, run_id as id from run_states
    where project_id = ${it.projectId} ${condition} ${within(sql, it, 'run_id')}`
  if (it.errorCode !== undefined) ways.push(failedWhere(sql`and failed_code = ${it.errorCode}`))
  if (it.errorGroup !== undefined) ways.push(failedWhere(sql`and failed_group = ${it.errorGroup}`))
  for (const label of labelsOf(it)) {
    const isLabelled = labelled(sql, it.projectId, label)
    ways.push(sql`select created_at, run_id as id from run_labels where ${isLabelled} ${within(sql, it, 'run_id')}`)
  }
  if (it.jobId !== undefined) ways.push(runsWhere(sql`and job_id = ${it.jobId}`))
  if (it.batchId !== undefined) ways.push(runsWhere(sql`and batch_id = ${it.batchId}`))
  if (it.parentRunId !== undefined) ways.push(runsWhere(sql`and parent_run_id = ${it.parentRunId}`))
  if (it.correlationId !== undefined) {
    const ranges = ofChain(sql, it.correlationId).map((condition) => runsWhere(sql`and ${condition}`))
    ways.push(merged(sql, it, ranges))
  }
  if (it.agentId !== undefined) ways.push(runsWhere(sql`and agent_id = ${it.agentId}`))
  // Two indexes leave out what most runs are, and are used only where the statement itself says that it does, too.
  const triggers = it.triggeredBy === undefined ? it.triggers : [it.triggeredBy]
  if (triggers?.length && !triggers.includes('manual')) {
    const ranges = [...new Set(triggers)].map((trigger) =>
      runsWhere(sql`and triggered_by = ${trigger} and triggered_by <> 'manual'`),
    )
    ways.push(merged(sql, it, ranges))
  }
  if (it.queue !== undefined && it.queue !== 'default' && it.queue !== HTTP_QUEUE) {
    ways.push(runsWhere(sql`and queue = ${it.queue} and queue not in ('default', '@http')`))
  }
  return ways.length > 0 ? ways : [runsWhere(sql``)]
}

/** No index has two values in one order of time: each value has a range of its own, merged as they are read. */
function merged(sql: Db, filter: RunFilter, ranges: readonly Fragment[]): Fragment {
  if (ranges.length === 1) return ranges[0]!
  // The limit of each is what keeps the planner from putting them together first and sorting then.
  const limited = ranges.map((range) => sql`(${range} ${inOrder(sql, filter)} limit ${LOOKED_MAX}::int)`)
  return limited.reduce((all, one) => sql`${all} union all ${one}`)
}

/** The way with the fewest runs; of those with many, the one whose runs reach the farthest back. */
async function narrowest(sql: Db, filter: RunFilter, ways: readonly Fragment[]): Promise<number> {
  const newest = filter.order === 'newest'
  const samples = ways.map(
    (way, at) => sql`
      select ${at}::int as at, count(*)::int as n, ${newest ? sql`min` : sql`max`}(created_at) as reached
      from (select created_at from (${way}) way ${inOrder(sql, filter)} limit ${SAMPLE}::int) sample`,
  )
  const [first] = await sql<{ at: number }[]>`
    select at from (${samples.reduce((all, one) => sql`${all} union all ${one}`)}) each
    order by n, reached ${newest ? sql`` : sql`desc`} limit 1`
  return first!.at
}

function within(
  sql: Db,
  { after, order, createdFrom, createdTo, finishedTo }: RunFilter,
  id: 'id' | 'run_id',
): Fragment {
  const place = after && sql`(${after.createdAt}::timestamptz, ${after.id}::uuid)`
  const beyond = place && sql`and (created_at, ${sql(id)}) ${order === 'newest' ? sql`<` : sql`>`} ${place}`
  return sql`${beyond ?? sql``}
    ${createdFrom === undefined ? sql`` : sql`and created_at >= ${createdFrom}::timestamptz`}
    ${createdTo === undefined ? sql`` : sql`and created_at < ${createdTo}::timestamptz`}
    ${finishedTo === undefined ? sql`` : sql`and created_at < ${finishedTo}::timestamptz`}`
}

/** The whole filter, whichever way led to the run `r`: what is right does not depend on the way. */
function conditions(sql: Db, it: RunFilter): Fragment {
  const equal = (column: string, value: string | undefined) =>
    value === undefined ? sql`` : sql`and r.${sql(column)} = ${value}`
  const oneOf = (value: Fragment, values: readonly string[] | undefined) =>
    values?.length ? sql`and ${value} = any(${values as string[]}::text[])` : sql``
  const payload = it.payloadContains
  const bodyOf = sql`(select payload::jsonb from run_bodies where run_id = r.id)`
  const labels = labelsOf(it).map(({ column, key, value }) =>
    value === undefined
      ? sql`and r.${sql(column)} ? ${key}::text`
      : sql`and r.${sql(column)}->>${key}::text = ${value}::text`,
  )
  return sql`
    r.project_id = ${it.projectId}
    ${equal('job_id', it.jobId)}
    ${equal('batch_id', it.batchId)}
    ${equal('parent_run_id', it.parentRunId)}
    ${equal('correlation_id', it.correlationId)}
    ${equal('agent_id', it.agentId)}
    ${equal('queue', it.queue)}
    ${equal('execution', it.execution)}
    ${equal('triggered_by', it.triggeredBy)}
    ${oneOf(sql`r.triggered_by`, it.triggers)}
    ${joined(sql, labels)}
    ${oneOf(sql`(select state from run_states where run_id = r.id)`, it.states)}
    ${endConditions(sql, it)}
    ${payload === undefined ? sql`` : sql`and ${bodyOf} @> ${payload}::text::jsonb`}`
}

/** Of how and when the run `r` ended. */
function endConditions(sql: Db, { finishedFrom, finishedTo, errorCode, errorGroup }: RunFilter): Fragment {
  const asked = [
    ...(finishedFrom === undefined ? [] : [sql`and finished_at >= ${finishedFrom}::timestamptz`]),
    ...(finishedTo === undefined ? [] : [sql`and finished_at < ${finishedTo}::timestamptz`]),
    ...(errorCode === undefined ? [] : [sql`and failed_code = ${errorCode}`]),
    ...(errorGroup === undefined ? [] : [sql`and failed_group = ${errorGroup}`]),
  ]
  if (asked.length === 0) return sql``
  return sql`and (select true ${joined(sql, asked)} from run_states where run_id = r.id)`
}

const labelsOf = ({ tags = [], metadata = [] }: RunFilter) => [
  ...tags.map(([key, value]) => ({ kind: 'tag' as const, column: 'tags', key, value })),
  ...metadata.map(([key, value]) => ({ kind: 'metadata' as const, column: 'metadata', key, value })),
]
