// The ledger: what models and tools cost, summed for each budget that may be set. The row of a budget is also its lock:
// a decision locks the rows that a call is charged to, in one order and before any run, or two could deadlock.

import type { Policy, PolicyMode } from '#core/policy.ts'
import { type Cost, costFrom } from '#core/usage/cost.ts'
import { column } from '#postgres/column.ts'
import { type Columns, slotRowsOf, slotValuesOf } from '#postgres/rows.ts'
import type { Db, Fragment } from '#postgres/sql.ts'
import { statement } from '#postgres/statement.ts'
import { type KnownRows, lockKnown } from './known-rows.sql.ts'

/** Whose budget it is: of an agent or a project on a day, of a run for ever. */
export type Payer = { projectId: string; kind: 'agent' | 'project' | 'run'; name: string; day: string }
export type Moment = { now: Date; hour: Date; day: string }
export type Charge = Payer & { tools?: Cost; models?: Cost }

/** Columns for a moment: the hour and the day (UTC) that it is, by the clock of the database. */
export const moment = (sql: Db): Fragment => sql`
  date_trunc('milliseconds', clock_timestamp()) as now,
  date_trunc('hour', clock_timestamp(), 'UTC') as hour,
  (clock_timestamp() at time zone 'UTC')::date::text as day`

export async function readMoment(sql: Db): Promise<Moment> {
  const [row] = await sql<Moment[]>`select ${moment(sql)}`
  return row!
}

type Charged = { projectId: string; agentId: string; runId?: string | null | undefined }

/** The budgets that a call is charged to on a day. */
export const payersOf = ({ projectId, agentId, runId }: Charged, day: string): Payer[] => [
  { projectId, kind: 'agent', name: agentId, day },
  { projectId, kind: 'project', name: '', day },
  ...(runId == null ? [] : [{ projectId, kind: 'run', name: runId, day: '-infinity' } as const]),
]

// No id holds a NUL, which PostgreSQL would not store.
export const payerKey = ({ projectId, kind, name, day }: Payer): string => `${projectId}\0${kind}\0${name}\0${day}`

/** What was spent, by `payerKey`; a payer that has spent nothing is absent. */
export type Spent = Map<string, Cost>

type Row = Payer & Cost

const unique = (payers: readonly Payer[]): Payer[] => [...new Map(payers.map((it) => [payerKey(it), it])).values()]

const PAYERS: Columns<Payer> = {
  'project_id text': (it) => it.projectId,
  'kind text': (it) => it.kind,
  'name text': (it) => it.name,
  'day date': (it) => it.day,
}

const spent = (sql: Db): Fragment => sql`
  s.project_id as "projectId", s.kind, s.name, s.day::text as day, s.tools_microusd + s.models_microusd as microusd,
  s.tools_picousd + s.models_picousd as picousd`

const spentOf = (rows: readonly Row[]): Spent =>
  new Map(rows.map((row) => [payerKey(row), costFrom(row.microusd, row.picousd)]))

const readNamed = statement<Row>(
  (sql) => sql`
    select ${spent(sql)}
    from ${slotRowsOf(sql, PAYERS)} join spend_sums s using (project_id, kind, name, day)`,
)

/** As it is now, without a lock. */
export const readSpent = async (sql: Db, payers: readonly Payer[]): Promise<Spent> =>
  spentOf(await readNamed(sql, slotValuesOf(PAYERS, unique(payers))))

const insertMissing = statement<object>(
  (sql) => sql`
    insert into spend_sums (project_id, kind, name, day)
    select project_id, kind, name, day
    from ${slotRowsOf(sql, PAYERS)}
    where not exists (
      select from spend_sums s
      where (s.project_id, s.kind, s.name, s.day) = (t.project_id, t.kind, t.name, t.day))
    order by project_id collate "C", kind collate "C", name collate "C", day
    on conflict do nothing`,
)

const lockNamed = statement<Row>(
  (sql) => sql`
    select ${spent(sql)}
    from spend_sums s
    where (s.project_id, s.kind, s.name, s.day) in (
      select t.project_id, t.kind, t.name, t.day from ${slotRowsOf(sql, PAYERS)})
    order by s.project_id, s.kind, s.name, s.day
    for update`,
)

/**
 * Locks the budgets of these payers until the transaction ends, those of which nothing was spent yet too. Budgets that
 * are `known` to have a row are not made first.
 */
export async function lockSpent(tx: Db, payers: readonly Payer[], known: KnownRows = new Set()): Promise<Spent> {
  if (payers.length === 0) return new Map()
  const wanted = unique(payers)
  const values = slotValuesOf(PAYERS, wanted)
  const rows = await lockKnown(known, wanted.map(payerKey), {
    insertMissing: () => insertMissing(tx, values),
    lock: () => lockNamed(tx, values),
  })
  return spentOf(rows)
}

const CHARGES: Columns<Charge> = {
  ...PAYERS,
  'tools bigint': (it) => it.tools?.microusd ?? 0,
  'tools_rest bigint': (it) => it.tools?.picousd ?? 0,
  'models bigint': (it) => it.models?.microusd ?? 0,
  'models_rest bigint': (it) => it.models?.picousd ?? 0,
}

const addCharges = statement<Row>(
  (sql) => sql`
    insert into spend_sums as s
      (project_id, kind, name, day, tools_microusd, tools_picousd, models_microusd, models_picousd)
    select project_id, kind, name, day, sum(tools), sum(tools_rest), sum(models), sum(models_rest)
    from ${slotRowsOf(sql, CHARGES)}
    group by 1, 2, 3, 4
    order by project_id collate "C", kind collate "C", name collate "C", day
    on conflict (project_id, kind, name, day) do update set
      tools_microusd = s.tools_microusd + excluded.tools_microusd,
      tools_picousd = s.tools_picousd + excluded.tools_picousd,
      models_microusd = s.models_microusd + excluded.models_microusd,
      models_picousd = s.models_picousd + excluded.models_picousd
    returning ${spent(sql)}`,
)

/** Charges locked budgets, and returns what is spent then. A cost below zero gives back what was reserved in vain. */
export async function chargeSpent(tx: Db, charges: readonly Charge[]): Promise<Spent> {
  if (charges.length === 0) return new Map()
  return spentOf(await addCharges(tx, slotValuesOf(CHARGES, charges)))
}

/** What projects may spend on a day; those without a limit are absent. */
export async function readProjectBudgets(sql: Db, projectIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await sql<{ id: string; budget: number }[]>`
    select id, max_spend_microusd_per_day as budget from projects
    where id = any(${column([...new Set(projectIds)])}::text[]) and max_spend_microusd_per_day is not null`
  return new Map(rows.map(({ id, budget }) => [id, budget]))
}

export type PolicyOfAgent = { projectId: string; agentId: string; policy: Policy; mode: PolicyMode | null }

const PAYING: Columns<{ projectId: string; agentId: string }> = {
  'project_id text': (it) => it.projectId,
  'agent_id text': (it) => it.agentId,
}

const readNamedPolicies = statement<PolicyOfAgent>(
  (sql) => sql`
    select project_id as "projectId", id as "agentId", policy, policy_mode as mode
    from agents
    where (project_id, id) in (select distinct t.project_id, t.agent_id from ${slotRowsOf(sql, PAYING)})
      and policy is not null`,
)

/** The policies of agents, of those that have one. */
export const readPolicies = async (
  sql: Db,
  agents: readonly { projectId: string; agentId: string }[],
): Promise<PolicyOfAgent[]> => [...(await readNamedPolicies(sql, slotValuesOf(PAYING, agents)))]

export type LedgerTotals = { tools: Cost; models: Cost }

/** What tools and models cost in the hours of a time, of one agent or of all. */
export async function sumLedger(
  sql: Db,
  projectId: string,
  { agentId, from, to }: { agentId?: string | undefined; from: Date; to: Date },
): Promise<LedgerTotals> {
  const [row] = await sql<{ tools: number; toolsRest: number; models: number; modelsRest: number }[]>`
    select t.whole as tools, t.rest as "toolsRest", m.whole as models, m.rest as "modelsRest"
    from (
      select coalesce(sum(cost_microusd), 0)::bigint as whole, coalesce(sum(cost_picousd), 0)::bigint as rest
      from agent_hours
      where project_id = ${projectId}
        and hour >= ${from}
        and hour < ${to}
        ${agentId === undefined ? sql`` : sql`and agent_id = ${agentId}`}
    ) t
    cross join (
      select coalesce(sum(cost_microusd), 0)::bigint as whole, coalesce(sum(cost_picousd), 0)::bigint as rest
      from usage_hours
      where project_id = ${projectId}
        and hour >= ${from}
        and hour < ${to}
        ${agentId === undefined ? sql`` : sql`and agent_id = ${agentId}`}
    ) m`
  return { tools: costFrom(row!.tools, row!.toolsRest), models: costFrom(row!.models, row!.modelsRest) }
}

/** Sums of days are looked at on their day; those of runs go with the run. */
export async function deleteOldSpent(sql: Db, limit: number): Promise<number> {
  const rows = await sql`
    delete from spend_sums where (project_id, kind, name, day) in (
      select project_id, kind, name, day from spend_sums
      where day > '-infinity' and day < (clock_timestamp() at time zone 'UTC')::date - 40 limit ${limit})
    returning 1`
  return rows.length
}
