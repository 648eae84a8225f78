// Reading what the models used that runs called: the calls, and the sums that are kept as calls are booked.
import { type Cost, costFrom } from '#core/usage/cost.ts'
import { column } from '#postgres/column.ts'
import type { SequencePage } from '#postgres/page.ts'
import type { Db } from '#postgres/sql.ts'

export type UsageRow = {
  id: string
  sequence: number
  provider: string
  model: string
  promptTokens: number
  completionTokens: number
  totalTokens: number
  /** The part of the prompt that came from a cache; null when the call did not say. */
  cachedTokens: number | null
  /** The part of the completion that was reasoning; null when the call did not say. */
  reasoningTokens: number | null
  costMicrousd: number
  createdAt: Date
}

/** What is shown of a cost: micro-dollars, a half upwards; sums are rounded once, when all is added up. */
const shown = (whole: string, rest: string) => `(${whole} + (${rest} + 500000) / 1000000)::bigint as "costMicrousd"`

export const usageColumns = (db: Db) => db`
  id,
  sequence,
  provider,
  model,
  prompt_tokens as "promptTokens",
  completion_tokens as "completionTokens",
  total_tokens as "totalTokens",
  cached_tokens as "cachedTokens",
  reasoning_tokens as "reasoningTokens",
  ${db.unsafe(shown('cost_microusd', 'cost_picousd'))},
  created_at as "createdAt"`

/** Stands for no job: a column of a primary key cannot be null. */
export const NO_JOB = '00000000-0000-0000-0000-000000000000'

export const listUsage = async (db: Db, runId: string, { after, limit }: SequencePage): Promise<UsageRow[]> => [
  ...(await db<UsageRow[]>`
    select ${usageColumns(db)} from run_usage
    where run_id = ${runId} and sequence > ${after}
    order by sequence limit ${limit}`),
]

/** Latest first. */
export const listLatestUsage = async (
  db: Db,
  runId: string,
  { before, limit }: { before?: number | undefined; limit: number },
): Promise<UsageRow[]> => [
  ...(await db<UsageRow[]>`
    select ${usageColumns(db)} from run_usage
    where run_id = ${runId} ${before === undefined ? db`` : db`and sequence < ${before}`}
    order by sequence desc limit ${limit}`),
]

export type UsageTotals = Pick<UsageRow, 'promptTokens' | 'completionTokens' | 'totalTokens' | 'costMicrousd'> & {
  calls: number
}

const NO_CALLS: UsageTotals = { calls: 0, promptTokens: 0, completionTokens: 0, totalTokens: 0, costMicrousd: 0 }

/** All of them 0 while the run has called no model. */
export async function findUsageTotals(db: Db, runId: string): Promise<UsageTotals> {
  const [row] = await db<UsageTotals[]>`
    select
      calls,
      prompt_tokens as "promptTokens",
      completion_tokens as "completionTokens",
      total_tokens as "totalTokens",
      ${db.unsafe(shown('cost_microusd', 'cost_picousd'))}
    from run_usage_sums
    where run_id = ${runId}`
  return row ?? NO_CALLS
}

export type UsageGroup = 'day' | 'hour' | 'job' | 'agent' | 'provider' | 'model'
export type UsageFilter = {
  projectId: string
  from: Date
  to: Date
  jobId?: string | undefined
  agentId?: string | undefined
  provider?: string | undefined
  model?: string | undefined
  groupBy: readonly UsageGroup[]
  limit: number
}
/** What the sum is of: a key for each group that was asked for. */
export type UsageSum = Omit<UsageTotals, 'totalTokens'> & {
  day?: string
  hour?: Date
  jobId?: string | null
  jobSlug?: string | null
  agentId?: string | null
  provider?: string
  model?: string
}

const DAY = "date_bin('1 day', hour, '2000-01-01Z')"
const GROUPS: Record<UsageGroup, { key: string; shown: string }> = {
  day: { key: DAY, shown: `to_char(${DAY}, 'YYYY-MM-DD') as day` },
  hour: { key: 'hour', shown: 'hour' },
  job: {
    key: 'job_id',
    shown: `nullif(job_id, '${NO_JOB}') as "jobId",
      (select slug from jobs where jobs.id = usage_hours.job_id) as "jobSlug"`,
  },
  agent: { key: 'agent_id', shown: `nullif(agent_id, '') as "agentId"` },
  provider: { key: 'provider', shown: 'provider' },
  model: { key: 'model', shown: 'model' },
}

/** Sums of the hours that begin in a time. Days and hours come in order, and within them the costliest first. */
export async function sumUsage(sql: Db, filter: UsageFilter): Promise<UsageSum[]> {
  const groups = filter.groupBy.map((group) => ({ ...GROUPS[group], isTime: group === 'day' || group === 'hour' }))
  const keys = groups.map(({ key }) => key)
  const times = groups.filter(({ isTime }) => isTime).map(({ key }) => key)
  // Only words of the table above are put in as they are.
  const keysShown = sql.unsafe(groups.map((group) => `${group.shown}, `).join(''))
  const grouped = sql.unsafe(keys.length === 0 ? '' : `group by ${keys.join(', ')}`)
  const ordered = sql.unsafe([...times, 'sum(cost_microusd) + sum(cost_picousd) / 1000000 desc', ...keys].join(', '))
  const rows = await sql<UsageSum[]>`
    select
      ${keysShown}
      coalesce(sum(calls), 0)::bigint as calls,
      coalesce(sum(prompt_tokens), 0)::bigint as "promptTokens",
      coalesce(sum(completion_tokens), 0)::bigint as "completionTokens",
      ${sql.unsafe(shown('coalesce(sum(cost_microusd), 0)', 'coalesce(sum(cost_picousd), 0)::bigint'))}
    from usage_hours
    where project_id = ${filter.projectId}
      and hour >= ${filter.from}
      and hour < ${filter.to}
      ${filter.jobId === undefined ? sql`` : sql`and job_id = ${filter.jobId}`}
      ${filter.agentId === undefined ? sql`` : sql`and agent_id = ${filter.agentId}`}
      ${filter.provider === undefined ? sql`` : sql`and provider = ${filter.provider}`}
      ${filter.model === undefined ? sql`` : sql`and model = ${filter.model}`}
      ${grouped}
    order by ${ordered} limit ${filter.limit}`
  return [...rows]
}

type Priced<Row> = Omit<Row, 'cost'> & Cost
const withCost = <Row extends Cost>({ microusd, picousd, ...row }: Row) => ({
  ...row,
  cost: costFrom(microusd, picousd),
})

export type ModelHour = { hour: Date; cost: Cost }

/** What models cost an agent in the hours that begin since a time. */
export const readModelHours = async (
  sql: Db,
  { projectId, agentId, from }: { projectId: string; agentId: string; from: string },
): Promise<ModelHour[]> => {
  const rows = await sql<Priced<ModelHour>[]>`
    select hour, sum(cost_microusd)::bigint as microusd, sum(cost_picousd)::bigint as picousd
    from usage_hours
    where project_id = ${projectId}
      and hour >= ${from}::timestamptz
      and agent_id = ${agentId}
    group by hour
    order by hour`
  return rows.map(withCost)
}

export type ModelCost = { runId: string; createdAt: Date; cost: Cost }

/** What calls of models cost runs, the first ones first. */
export const readModelCosts = async (sql: Db, runIds: readonly string[], limit: number): Promise<ModelCost[]> => {
  if (runIds.length === 0) return []
  const rows = await sql<Priced<ModelCost>[]>`
    select run_id as "runId", created_at as "createdAt", cost_microusd as microusd, cost_picousd as picousd
    from run_usage where run_id = any(${column(runIds)}::uuid[]) order by created_at limit ${limit}`
  return rows.map(withCost)
}

export type ModelSpend = { agentId: string; provider: string; model: string; calls: number; cost: Cost }

/** What models cost by agent and model, and day by day; agents and days in order. */
export const sumModelSpend = async (
  sql: Db,
  projectId: string,
  { agentId, from, to, limit }: { agentId?: string | undefined; from: string; to: string; limit: number },
): Promise<(ModelSpend & { day: Date })[]> => {
  const rows = await sql<Priced<ModelSpend & { day: Date }>[]>`
    select
      coalesce(nullif(agent_id, ''), j.slug, '') as "agentId",
      provider,
      model,
      date_trunc('day', hour, 'UTC') as day,
      sum(calls)::bigint as calls,
      sum(cost_microusd)::bigint as microusd,
      sum(cost_picousd)::bigint as picousd
    from usage_hours u
    left join jobs j on j.id = u.job_id
    where u.project_id = ${projectId}
      ${agentId === undefined ? sql`` : sql`and coalesce(nullif(agent_id, ''), j.slug, '') = ${agentId}`}
      and hour >= ${from}::timestamptz
      and hour < ${to}::timestamptz
    group by 1, 2, 3, 4
    order by 1, 4, 2, 3 limit ${limit}`
  return rows.map(withCost)
}

/** The same of one agent since an hour, the costliest first. */
export const sumAgentModels = async (
  sql: Db,
  { projectId, agentId }: { projectId: string; agentId: string },
  from: Date,
): Promise<Omit<ModelSpend, 'agentId'>[]> => {
  const rows = await sql<Priced<Omit<ModelSpend, 'agentId'>>[]>`
    select
      provider,
      model,
      sum(calls)::bigint as calls,
      sum(cost_microusd)::bigint as microusd,
      sum(cost_picousd)::bigint as picousd
    from usage_hours
    where project_id = ${projectId}
      and hour >= ${from}
      and agent_id = ${agentId}
    group by 1, 2
    order by sum(cost_microusd) desc, 1, 2`
  return rows.map(withCost)
}
