// Reading what the models used that runs called: the calls, and the sums that are kept as calls are booked.

import type { Db, Sql } from '#postgres/sql.ts'
import type { SequencePage } from '#runs/attempts/attempt-writes.sql.ts'

export type UsageRow = {
  id: string
  sequence: number
  provider: string
  model: string
  promptTokens: number
  completionTokens: number
  totalTokens: number
  costMicrousd: number
  createdAt: Date
}

export const usageColumns = (db: Db) => db`
  id, sequence, provider, model, prompt_tokens as "promptTokens", completion_tokens as "completionTokens", total_tokens as "totalTokens",
  cost_microusd as "costMicrousd", created_at as "createdAt"`

/** Stands for no job: a column of a primary key cannot be null. */
export const NO_JOB = '00000000-0000-0000-0000-000000000000'

export const listUsage = async (db: Db, runId: string, { after, limit }: SequencePage): Promise<UsageRow[]> => [
  ...(await db<UsageRow[]>`
    select ${usageColumns(db)} from run_usage where run_id = ${runId} and sequence > ${after} order by sequence limit ${limit}`),
]

/** Latest first. */
export const listLatestUsage = async (
  db: Db,
  runId: string,
  { before, limit }: { before?: number | undefined; limit: number },
): Promise<UsageRow[]> => [
  ...(await db<UsageRow[]>`
    select ${usageColumns(db)} from run_usage
    where run_id = ${runId} ${before === undefined ? db`` : db`and sequence < ${before}`} order by sequence desc limit ${limit}`),
]

export type UsageTotals = Pick<UsageRow, 'promptTokens' | 'completionTokens' | 'totalTokens' | 'costMicrousd'> & {
  calls: number
}

const NO_CALLS: UsageTotals = { calls: 0, promptTokens: 0, completionTokens: 0, totalTokens: 0, costMicrousd: 0 }

/** All of them 0 while the run has called no model. */
export async function findUsageTotals(db: Db, runId: string): Promise<UsageTotals> {
  const [row] = await db<UsageTotals[]>`
    select calls, prompt_tokens as "promptTokens", completion_tokens as "completionTokens", total_tokens as "totalTokens",
      cost_microusd as "costMicrousd"
    from run_usage_sums where run_id = ${runId}`
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
    shown: `nullif(job_id, '${NO_JOB}') as "jobId", (select slug from jobs where jobs.id = usage_hours.job_id) as "jobSlug"`,
  },
  agent: { key: 'agent_id', shown: `nullif(agent_id, '') as "agentId"` },
  provider: { key: 'provider', shown: 'provider' },
  model: { key: 'model', shown: 'model' },
}

/** Sums of the hours that begin in a time. Days and hours come in order, and within them the costliest first. */
export async function sumUsage(sql: Sql, filter: UsageFilter): Promise<UsageSum[]> {
  const groups = filter.groupBy.map((group) => ({ ...GROUPS[group], isTime: group === 'day' || group === 'hour' }))
  const keys = groups.map(({ key }) => key)
  const times = groups.filter(({ isTime }) => isTime).map(({ key }) => key)
  // Only words of the table above are put in as they are.
  const shown = sql.unsafe(groups.map((group) => `${group.shown}, `).join(''))
  const grouped = sql.unsafe(keys.length === 0 ? '' : `group by ${keys.join(', ')}`)
  const ordered = sql.unsafe([...times, 'sum(cost_microusd) desc', ...keys].join(', '))
  const rows = await sql<UsageSum[]>`
    select ${shown} coalesce(sum(calls), 0)::bigint as calls, coalesce(sum(prompt_tokens), 0)::bigint as "promptTokens",
      coalesce(sum(completion_tokens), 0)::bigint as "completionTokens", coalesce(sum(cost_microusd), 0)::bigint as "costMicrousd"
    from usage_hours
    where project_id = ${filter.projectId} and hour >= ${filter.from} and hour < ${filter.to}
      ${filter.jobId === undefined ? sql`` : sql`and job_id = ${filter.jobId}`}
      ${filter.agentId === undefined ? sql`` : sql`and agent_id = ${filter.agentId}`}
      ${filter.provider === undefined ? sql`` : sql`and provider = ${filter.provider}`}
      ${filter.model === undefined ? sql`` : sql`and model = ${filter.model}`}
    ${grouped}
    order by ${ordered} limit ${filter.limit}`
  return [...rows]
}
