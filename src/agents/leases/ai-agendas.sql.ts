// Agendas: the actions that are executed under a lease, how those before ended, and which node is at them.
import type { Json } from '#core/json/json.ts'
import { jsonText } from '#postgres/json.ts'
import { valuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'
import type { LeaseName } from './ai-leases.sql.ts'

export type AgendaItem = { tool: string; args: object; spendMicrousd?: number | undefined }

/** How an action ended, as the answer of the lease tells it. */
export type ActionDone = {
  tool: string
  ok: boolean
  allowed: boolean
  decision: string
  policy_reason: string
  risk_level: string
  result: object
}

export type Agenda = LeaseName & {
  leaseId: string
  agentId: string
  actions: AgendaItem[]
  dryRun: boolean
  done: ActionDone[]
  executor: string
}

/** Held by nobody: the next node that looks may take it. */
export const insertAgenda = (tx: Db, it: Omit<Agenda, 'done' | 'executor'>) => tx`
  insert into ai_agendas ${valuesOf(tx, {
    project_id: it.projectId,
    key: it.key,
    lease_id: it.leaseId,
    agent_id: it.agentId,
    actions: tx`${jsonText(it.actions)}::text::json`,
    dry_run: it.dryRun,
    executor: tx`'00000000-0000-0000-0000-000000000000'`,
    held_until: tx`clock_timestamp()`,
  })}`

/** Takes agendas that nobody is at, those that wait longest first. */
export const takeAgendas = async (
  sql: Db,
  { executor, holdSecs, limit }: { executor: string; holdSecs: number; limit: number },
): Promise<Agenda[]> => [
  ...(
    await sql<(Omit<Agenda, 'actions' | 'done'> & { actions: Json; done: Json })[]>`
    update ai_agendas
    set executor = ${executor}, held_until = clock_timestamp() + ${holdSecs}::float8 * interval '1 s'
    where (project_id, key) in (
      select project_id, key from ai_agendas
      where held_until <= clock_timestamp()
      order by held_until limit ${limit} for update skip locked
    )
    returning
      project_id as "projectId",
      key,
      lease_id as "leaseId",
      agent_id as "agentId",
      actions,
      dry_run as "dryRun",
      done,
      executor`
  ).map(({ actions, done, ...it }) => ({
    ...it,
    actions: actions.items().map(itemOf),
    done: done.items().map((one) => one.members() as ActionDone),
  })),
]

/** Its arguments stay as they were written. */
function itemOf(action: Json): AgendaItem {
  const { args } = action.members()
  return { ...(action.value as AgendaItem), args: args as Json }
}

/** Keeps an agenda while it is worked on; false when it is somebody else's. */
export async function holdAgenda(sql: Db, { projectId, key, executor }: Agenda, holdSecs: number): Promise<boolean> {
  const rows = await sql`
    update ai_agendas
    set held_until = clock_timestamp() + ${holdSecs}::float8 * interval '1 s'
    where project_id = ${projectId}
      and key = ${key}
      and executor = ${executor}
    returning 1`
  return rows.length > 0
}

/** A lease does not run out under an agenda that is being executed. */
export const holdLease = (sql: Db, { projectId, key, leaseId }: Agenda, holdSecs: number) => sql`
  update ai_leases
  set expires_at = greatest(expires_at, clock_timestamp() + ${holdSecs}::float8 * interval '1 s')
  where project_id = ${projectId}
    and key = ${key}
    and lease_id = ${leaseId}
    and state = 'held'`

/** Lets others go on with it at once. */
export const leaveAgenda = (sql: Db, { projectId, key, executor }: Agenda) => sql`
  update ai_agendas set held_until = clock_timestamp()
  where project_id = ${projectId}
    and key = ${key}
    and executor = ${executor}`

/** Writes down how the next action ended; false when the agenda is somebody else's by now. */
export async function saveActionDone(tx: Db, { projectId, key, executor }: Agenda, done: ActionDone): Promise<boolean> {
  const rows = await tx`
    update ai_agendas
    set done = concat(
      case when json_array_length(done) = 0 then '[' else left(done::text, -1) || ',' end,
      ${jsonText(done)}::text,
      ']'
    )::json
    where project_id = ${projectId}
      and key = ${key}
      and executor = ${executor}
    returning 1`
  return rows.length > 0
}
