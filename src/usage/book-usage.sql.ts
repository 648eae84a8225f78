// Books calls of models: each with its event, charged to the budgets of its run, agent and project, and added to the
// sums of its run and of the hour, so that no reader adds up history. Booked in batches (group commit): calls of one
// job add to the same row, and one by one each would wait for the commit of the one before it.
import type { Cost } from '#core/usage/cost.ts'
import { type Appended, appendEvents } from '#log/append-events.sql.ts'
import type { NewEvent } from '#log/new-event.sql.ts'
import { newId } from '#postgres/id.ts'
import { rowsOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'
import {
  chargeSpent,
  lockSpent,
  type Moment,
  type PolicyOfAgent,
  payersOf,
  readMoment,
  readPolicies,
  readProjectBudgets,
  type Spent,
} from './ledger.sql.ts'
import { NO_JOB, type UsageRow, usageColumns } from './usage.sql.ts'

export type NewUsage = Omit<UsageRow, 'id' | 'sequence' | 'createdAt' | 'costMicrousd'> & {
  runId: string
  projectId: string
  jobId: string | null
  /** Whose budget it is charged to. */
  agentId: string
  cost: Cost
}
/** A call and the event that says so, which the lease fences. */
export type UsageCall = { event: NewEvent; usage: NewUsage }
/** Without a row when its event was refused; with what was spent by then, and what may be. */
export type BookedCall = { appended: Appended; row: UsageRow | undefined } & Standing
type Standing = { day: string; spent: Spent; budgets: Map<string, number>; policies: PolicyOfAgent[] }

/** Locks the budgets that these calls are charged to: before runs, as everybody does who locks both. */
export async function lockBudgets(tx: Db, calls: readonly UsageCall[]): Promise<Moment> {
  const moment = await readMoment(tx)
  await lockSpent(
    tx,
    calls.flatMap(({ usage }) => payersOf(usage, moment.day)),
  )
  return moment
}

/** Books up to 500 calls in a transaction; answers in their order. */
export async function bookUsage(tx: Db, calls: readonly UsageCall[]): Promise<BookedCall[]> {
  const usages = calls.map(({ usage }) => usage)
  const { hour, day } = await lockBudgets(tx, calls)
  // Before the sums, since it locks the runs: whoever adds to the sums of a run holds its lock.
  const appended = await appendEvents(
    tx,
    calls.map(({ event }) => event),
  )
  const numbered = usages.map((usage, index) => {
    const it = appended[index]!
    return it.outcome === 'appended' ? { ...usage, id: newId(), sequence: it.sequence! } : undefined
  })
  const made = numbered.filter((it) => it !== undefined)
  const charges = made.flatMap((it) => payersOf(it, day).map((payer) => ({ ...payer, models: it.cost })))
  const [rows, spent, budgets, policies] = await Promise.all([
    insertUsage(tx, made, hour),
    chargeSpent(tx, charges),
    readProjectBudgets(
      tx,
      usages.map((it) => it.projectId),
    ),
    readPolicies(tx, usages),
  ])
  return numbered.map((it, index) => ({
    appended: appended[index]!,
    row: it && rows.get(it.id),
    day,
    spent,
    budgets,
    policies,
  }))
}

type NumberedUsage = NewUsage & { id: string; sequence: number }

/** Rows are added to in the order of their keys, or two statements would wait for each other. */
async function insertUsage(db: Db, calls: readonly NumberedUsage[], hour: Date): Promise<Map<string, UsageRow>> {
  const rows = await db<UsageRow[]>`
    with input as materialized (
      select * from ${rowsOf(db, calls, {
        'id uuid': (it) => it.id,
        'run_id uuid': (it) => it.runId,
        'sequence bigint': (it) => it.sequence,
        'project_id text': (it) => it.projectId,
        'job_id uuid': (it) => it.jobId ?? NO_JOB,
        'agent_id text': (it) => it.agentId,
        'provider text': (it) => it.provider,
        'model text': (it) => it.model,
        'prompt_tokens bigint': (it) => it.promptTokens,
        'completion_tokens bigint': (it) => it.completionTokens,
        'total_tokens bigint': (it) => it.totalTokens,
        'cached_tokens bigint': (it) => it.cachedTokens,
        'reasoning_tokens bigint': (it) => it.reasoningTokens,
        'cost_microusd bigint': (it) => it.cost.microusd,
        'cost_picousd bigint': (it) => it.cost.picousd,
      })}
    ), of_runs as (
      insert into run_usage_sums as s (
        run_id,
        calls,
        prompt_tokens,
        completion_tokens,
        total_tokens,
        cost_microusd,
        cost_picousd
      )
      select
        run_id,
        count(*),
        sum(prompt_tokens),
        sum(completion_tokens),
        sum(total_tokens),
        sum(cost_microusd),
        sum(cost_picousd)
      from input
      group by 1
      order by 1
      on conflict (run_id) do update set
        calls = s.calls + excluded.calls,
        prompt_tokens = s.prompt_tokens + excluded.prompt_tokens,
        completion_tokens = s.completion_tokens + excluded.completion_tokens,
        total_tokens = s.total_tokens + excluded.total_tokens,
        cost_microusd = s.cost_microusd + excluded.cost_microusd,
        cost_picousd = s.cost_picousd + excluded.cost_picousd
    ), of_hours as (
      insert into usage_hours as u (
        project_id,
        hour,
        job_id,
        agent_id,
        provider,
        model,
        calls,
        prompt_tokens,
        completion_tokens,
        cost_microusd,
        cost_picousd
      )
      select
        project_id,
        ${hour}::timestamptz,
        job_id,
        agent_id,
        provider,
        model,
        count(*),
        sum(prompt_tokens),
        sum(completion_tokens),
        sum(cost_microusd),
        sum(cost_picousd)
      from input
      group by 1, 2, 3, 4, 5, 6
      order by 1, 2, 3, 4, 5, 6
      on conflict (project_id, hour, job_id, agent_id, provider, model) do update set
        calls = u.calls + excluded.calls,
        prompt_tokens = u.prompt_tokens + excluded.prompt_tokens,
        completion_tokens = u.completion_tokens + excluded.completion_tokens,
        cost_microusd = u.cost_microusd + excluded.cost_microusd,
        cost_picousd = u.cost_picousd + excluded.cost_picousd
    )
    insert into run_usage (
      id,
      run_id,
      sequence,
      provider,
      model,
      prompt_tokens,
      completion_tokens,
      total_tokens,
      cached_tokens,
      reasoning_tokens,
      cost_microusd,
      cost_picousd
    )
    select
      id,
      run_id,
      sequence,
      provider,
      model,
      prompt_tokens,
      completion_tokens,
      total_tokens,
      cached_tokens,
      reasoning_tokens,
      cost_microusd,
      cost_picousd
    from input
    returning ${usageColumns(db)}`
  return new Map(rows.map((row) => [row.id, row]))
}
