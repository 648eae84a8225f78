// Which index each list of runs goes by and how much it touches, on tables large enough for the planner to care. What a
// wrong plan costs shows only with a million runs; which plan it is shows here.

import { expect, test } from 'vitest'
import type { Json } from '#core/json/json.ts'
import { suiteDatabase } from '#test/support/db.ts'
import { askedThrough, PROJECT, type Statement } from '#test/support/log.ts'
import { listRuns, listRunsPage, type RunFilter } from './list-runs.sql.ts'

const RUNS = 30_000
const JOB = jobId(1)
const RARE_JOB = jobId(7)
const BATCH = '00000000-0000-7000-9000-000000000005'
const PARENT = '00000000-0000-7000-a000-000000000001'

const { sql, url } = await suiteDatabase()
await loadRuns()
const [middle] = await sql<
  { at: Date }[]
>`select created_at as at from runs order by created_at offset ${RUNS / 2} limit 1`

type Conditions = Omit<RunFilter, 'projectId' | 'order' | 'limit'>
const LIMIT = 50
const listOf = (conditions: Conditions): RunFilter => ({
  projectId: PROJECT,
  order: 'newest',
  limit: LIMIT,
  ...conditions,
})

/** One filter each, with the index that leads to its runs. */
const SINGLES: Record<string, { filter: Conditions; index: string }> = {
  'no filter': { filter: {}, index: 'runs_by_project' },
  'a tag of every other run': { filter: { tags: [['env', 'prod']] }, index: 'run_labels_pkey' },
  'a tag of few': { filter: { tags: [['rare', 'yes']] }, index: 'run_labels_pkey' },
  'a tag of old runs': { filter: { tags: [['old', 'yes']] }, index: 'run_labels_pkey' },
  'a tag of one': { filter: { tags: [['only', 'u77']] }, index: 'run_labels_pkey' },
  'a tag of none': { filter: { tags: [['only', 'never']] }, index: 'run_labels_pkey' },
  'any tag under a key': { filter: { tags: [['env', undefined]] }, index: 'run_labels_by_key' },
  'any tag under a key of old runs': { filter: { tags: [['old', undefined]] }, index: 'run_labels_by_key' },
  'metadata of every other run': { filter: { metadata: [['half', 'yes']] }, index: 'run_labels_pkey' },
  'metadata of few': { filter: { metadata: [['tenant', 't7']] }, index: 'run_labels_pkey' },
  'any metadata under a key': { filter: { metadata: [['tenant', undefined]] }, index: 'run_labels_by_key' },
  'a state that most have': { filter: { states: ['completed'] }, index: 'runs_by_project' },
  'a state that few have': { filter: { states: ['paused'] }, index: 'run_states_listed' },
  'several states': { filter: { states: ['failed', 'canceled', 'dead_letter'] }, index: 'run_states_listed' },
  'an error code of many': { filter: { errorCode: 'http_503' }, index: 'run_states_by_code' },
  'an error code of none': { filter: { errorCode: 'never' }, index: 'run_states_by_code' },
  'a group of failures': { filter: { errorGroup: 'g7' }, index: 'run_states_by_group' },
  'a job with many runs': { filter: { jobId: JOB }, index: 'runs_by_job' },
  'a job with few': { filter: { jobId: RARE_JOB }, index: 'runs_by_job' },
  'a trigger': { filter: { triggeredBy: 'cron' }, index: 'runs_by_trigger' },
  'several triggers': { filter: { triggers: ['cron', 'replay'] }, index: 'runs_by_trigger' },
  'a batch': { filter: { batchId: BATCH }, index: 'runs_by_batch' },
  children: { filter: { parentRunId: PARENT }, index: 'runs_by_parent' },
  'a correlation of many runs': { filter: { correlationId: 'chain' }, index: 'runs_by_correlation' },
  'a queue of its own': { filter: { queue: 'rare' }, index: 'runs_by_queue' },
  'the default queue': { filter: { queue: 'default' }, index: 'runs_by_project' },
  'an agent': { filter: { agentId: 'agent' }, index: 'runs_by_agent' },
  'a span of time': {
    filter: { createdFrom: hoursFrom(middle!.at, -10), createdTo: hoursFrom(middle!.at, 0) },
    index: 'runs_by_project',
  },
  'the place after a cursor': {
    filter: { tags: [['env', 'prod']], after: { createdAt: middle!.at.toISOString(), id: JOB } },
    index: 'run_labels_pkey',
  },
}

const orders = ['newest', 'oldest'] as const
const plans = ['custom', 'generic'] as const
const cases = Object.entries(SINGLES).flatMap(([name, one]) =>
  orders.flatMap((order) => plans.map((plan) => [name, order, plan, one] as const)),
)

test.each(cases)(
  'the list %s, %s first, by a %s plan, uses its index, in its order, and reads no further than the page',
  async (_, order, plan, { filter, index }) => {
    const { way, touched, sorted } = await lookAt({ ...listOf(filter), order }, plan)
    expect(way).toEqual([index])
    expect(sorted).toBeLessThanOrEqual(LIMIT + 1)
    // A walk of the index, then two look-ups by id, of run and state.
    expect(touched).toBeLessThanOrEqual(6 * (LIMIT + 1))
  },
)

/** Filters together, with the way that is the narrowest. Where few of its runs pass, the page looks at 5,000. */
const TOGETHER: Record<string, { filter: Conditions; index: string }> = {
  'few under the one, most under the other': {
    filter: { tags: [['rare', 'yes']], states: ['completed'] },
    index: 'run_labels_pkey',
  },
  'most under the one, few under the other': {
    filter: { tags: [['env', 'prod']], states: ['paused'] },
    index: 'run_states_listed',
  },
  'never under both': { filter: { tags: [['env', 'prod']], metadata: [['half', 'yes']] }, index: 'run_labels_pkey' },
  'old runs only': { filter: { tags: [['old', 'yes']], states: ['completed'] }, index: 'run_labels_pkey' },
  'a group of failures within a span of ends': {
    filter: { errorGroup: 'g7', finishedFrom: hoursFrom(middle!.at, -10), finishedTo: hoursFrom(middle!.at, 0) },
    index: 'run_states_by_group',
  },
  'runs that ended in a span': {
    filter: { finishedFrom: hoursFrom(middle!.at, -10), finishedTo: hoursFrom(middle!.at, 0) },
    index: 'runs_by_project',
  },
  'the runs of a job in some states': {
    filter: { jobId: RARE_JOB, states: ['completed', 'failed'] },
    index: 'runs_by_job',
  },
  'a trigger that few have and no index knows': { filter: { triggeredBy: 'manual' }, index: 'runs_by_project' },
  'a payload that none has': { filter: { payloadContains: '{"user": "nobody"}' }, index: 'runs_by_project' },
  'a payload within a tag': {
    filter: { payloadContains: '{"user": "nobody"}', tags: [['env', 'prod']] },
    index: 'run_labels_pkey',
  },
}

test.each(Object.entries(TOGETHER))(
  'the list %s walks its most selective index, within the limit',
  async (_, { filter, index }) => {
    const { way, touched, sorted } = await lookAt(listOf(filter), 'custom')
    expect(way).toEqual([index])
    expect(sorted).toBeLessThanOrEqual(LIMIT + 1)
    // Walked, looked up in three tables, and walked to the end once more.
    expect(touched).toBeLessThanOrEqual(5 * 5_000 + 6 * (LIMIT + 1))
  },
)

// The last run that a first page looks at, and the one after it: both of the same millisecond.
test.each([RUNS - 4_999, RUNS - 5_000])(
  'a page that examined 5,000 runs says where to continue, and run %i is not missed',
  async (run) => {
    const filter = listOf({ payloadContains: `{"user": "u${run}"}` })
    const pages = [await listRunsPage(sql, filter)]
    while (pages.at(-1)!.next) pages.push(await listRunsPage(sql, { ...filter, after: pages.at(-1)!.next }))
    expect(pages).toHaveLength(1 + RUNS / 5_000)
    expect(pages.map((page) => page.rows.length)).toEqual(
      pages.map((_, at) => Number(at === (run > RUNS - 5_000 ? 0 : 1))),
    )
    expect(await listRuns(sql, filter)).toHaveLength(1)
  },
)

type PlanNode = {
  'Node Type': string
  'Parent Relationship'?: string
  'Subplan Name'?: string
  'Relation Name'?: string
  'Index Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  Plans?: PlanNode[]
}

/** The indexes that led to the runs, how many rows of them were touched anywhere, and the most that were sorted. */
async function lookAt(filter: RunFilter, plan: 'custom' | 'generic') {
  const { sql: own, asked } = askedThrough(url)
  await listRunsPage(own, filter)
  const nodes = flat(await planOf(asked.at(-1)!, plan))
  const page = nodes.find((node) => node['Subplan Name'] === 'CTE page')!
  const looked = flat({
    ...page,
    Plans: page.Plans!.map(({ Plans = [], ...node }) => ({ ...node, Plans: Plans.filter(isWalked) })),
  })
  const scans = nodes.filter(({ 'Relation Name': name }) => /^run/.test(name ?? ''))
  expect(scans.filter((node) => node['Node Type'] === 'Seq Scan')).toEqual([])
  return {
    way: [...new Set(looked.flatMap((node) => node['Index Name'] ?? []))],
    touched: scans.reduce((sum, node) => sum + passedBy(node), 0),
    sorted: Math.max(0, ...nodes.filter((node) => /Sort$/.test(node['Node Type'])).map(sortedBy)),
  }
}

const sortedBy = (node: PlanNode): number =>
  passedBy(node.Plans!.find((child) => child['Parent Relationship'] === 'Outer')!)

const isWalked = (node: PlanNode): boolean => node['Parent Relationship'] !== 'SubPlan'

const passedBy = (node: PlanNode): number =>
  (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)) *
  node['Actual Loops']

const flat = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(flat)]

async function planOf({ text, parameters }: Statement, plan: 'custom' | 'generic'): Promise<PlanNode> {
  const connection = await sql.reserve()
  try {
    await connection.unsafe(`set plan_cache_mode = force_${plan}_plan`)
    await connection.unsafe(`prepare asked as ${text}`)
    const [row] = await connection.unsafe<{ 'QUERY PLAN': Json }[]>(
      `explain (analyze, timing off, format json) execute asked (${parameters.map(literal).join(', ')})`,
    )
    const [explained] = row!['QUERY PLAN'].value as [{ Plan: PlanNode }]
    return explained.Plan
  } finally {
    await connection.unsafe('deallocate all').catch(() => {})
    connection.release()
  }
}

const literal = (value: unknown): string =>
  value === null ? 'null' : `'${(Array.isArray(value) ? `{${value.join(',')}}` : String(value)).replaceAll("'", "''")}'`

function jobId(number: number): string {
  return `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`
}

function hoursFrom(at: Date, hours: number): string {
  return new Date(at.getTime() + hours * 3_600_000).toISOString()
}

/** Runs of 80 days, every ten of the same millisecond: some of everything often, of everything rarely, and of old only. */
async function loadRuns(): Promise<void> {
  await sql.unsafe(`
    insert into projects (id, name) values ('${PROJECT}', '${PROJECT}') on conflict do nothing;
    create temp table made as
      select i, ('00000000-0001-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid as id,
        date_trunc('milliseconds', now()) - interval '80 days' + i / 10 * interval '38 minutes' as at
      from generate_series(1, ${RUNS}) i;
    insert into runs (id, project_id, job_id, job_version, execution, queue, triggered_by, created_by_type, correlation_id, rank,
        timeout_secs, max_attempts, created_at, agent_id, batch_id, parent_run_id, tags, metadata)
      select id, '${PROJECT}', ('00000000-0000-7000-8000-' || lpad((case when i % 2 = 0 then 1 else 2 + i % 300 end)::text, 12, '0'))::uuid, 1, 'worker',
        case when i % 500 = 8 then 'rare' else 'default' end,
        case when i % 1000 = 3 then 'manual' when i % 4 = 0 then 'cron' when i % 300 = 9 then 'replay' else 'event' end, 'user',
        case when i % 10 < 5 then 'chain' else id::text end, 0, 60, 3, at, case when i % 3 = 0 then 'agent' end,
        case when i % 2 = 0 then ('00000000-0000-7000-9000-' || lpad((i / 1000)::text, 12, '0'))::uuid end,
        case when i % 100 = 1 then '${PARENT}'::uuid end,
        jsonb_strip_nulls(jsonb_build_object('env', case when i % 2 = 0 then 'prod' else 'dev' end, 'rare', case when i % 500 = 17 then 'yes' end,
          'only', case when i % 10 = 7 then 'u' || i end, 'old', case when i < ${RUNS / 5} then 'yes' end)),
        jsonb_strip_nulls(jsonb_build_object('tenant', 't' || i % 1000, 'half', case when i % 2 = 1 then 'yes' end))
      from made order by i;
    insert into run_states (run_id, project_id, state, last_sequence, created_at, state_since)
      select id, '${PROJECT}', case when i % 10 > 0 then 'completed' when i % 30 > 0 then 'failed' when i % 70 > 0 then 'canceled' when i % 500 > 0 then 'dead_letter' else 'paused' end, 3, at, at
      from made order by i;
    update run_states set listed_state = state where state <> 'completed';
    update run_states set finished_at = created_at + interval '1 second' where state <> 'paused';
    update run_states set failed_code = 'http_503', failed_group = 'g' || ('x' || right(run_id::text, 6))::bit(24)::int / 10 % 10
      where listed_state in ('failed', 'dead_letter');
    insert into run_bodies (run_id, payload) select id, jsonb_build_object('user', 'u' || i) from made order by i;
    insert into run_labels (label, key_label, created_at, run_id)
      select l.label, l.key_label, r.created_at, r.id from runs r, labels_of(r.project_id, r.tags, r.metadata) l;
  `)
  await sql.unsafe('vacuum analyze')
}
