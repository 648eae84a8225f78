// Tools that agents call through us, and the calls that are not made twice.
import type { Json } from '#core/json/json.ts'
import { jsonText } from '#postgres/json.ts'
import { valuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'
import type { AgentName } from '../agents.sql.ts'

export type ToolRow = {
  projectId: string
  name: string
  scopeId: string
  url: string
  secret: string | null
  secretId: string | null
  timeoutMs: number
  maxRetries: number
  /** For how long the same call is not made again; 0: made each time. Null: as the surface it comes through has it. */
  dedupWindowSecs: number | null
  enabled: boolean
  description: string | null
  createdAt: Date
  updatedAt: Date
}

export type ToolName = { projectId: string; name: string; scopeId: string }

const columns = (sql: Db) => sql`
  project_id as "projectId",
  name,
  scope_id as "scopeId",
  url,
  secret,
  secret_id as "secretId",
  timeout_ms as "timeoutMs",
  max_retries as "maxRetries",
  dedup_window_secs as "dedupWindowSecs",
  enabled,
  description,
  created_at as "createdAt",
  updated_at as "updatedAt"`

export async function findTool(sql: Db, { projectId, name, scopeId }: ToolName): Promise<ToolRow | undefined> {
  const [row] = await sql<ToolRow[]>`
    select ${columns(sql)} from tools
    where project_id = ${projectId}
      and name = ${name}
      and scope_id = ${scopeId}`
  return row
}

/** By name. */
export const listTools = async (
  sql: Db,
  { projectId, scopeId, limit }: { projectId: string; scopeId: string | undefined; limit: number },
): Promise<ToolRow[]> => [
  ...(await sql<ToolRow[]>`
    select ${columns(sql)} from tools
    where project_id = ${projectId} ${scopeId === undefined ? sql`` : sql`and scope_id = ${scopeId}`}
    order by name, scope_id limit ${limit}`),
]

/** Locks the project for a change of its tools: two at once must not both take the last place of its plan. */
export async function lockTools(tx: Db, projectId: string): Promise<number> {
  await tx`select from projects where id = ${projectId} for no key update`
  const [row] = await tx<{ n: number }[]>`select count(*)::int as n from tools where project_id = ${projectId}`
  return row!.n
}

export type NewTool = Omit<ToolRow, 'createdAt' | 'updatedAt'>

/** Writes a tool as it now is, in place of the one of this name and scope. */
export async function putTool(tx: Db, it: NewTool): Promise<ToolRow> {
  const [row] = await tx<ToolRow[]>`
    insert into tools ${valuesOf(tx, {
      project_id: it.projectId,
      name: it.name,
      scope_id: it.scopeId,
      url: it.url,
      secret: it.secret,
      secret_id: it.secretId,
      timeout_ms: it.timeoutMs,
      max_retries: it.maxRetries,
      dedup_window_secs: it.dedupWindowSecs,
      enabled: it.enabled,
      description: it.description,
    })}
    on conflict (project_id, name, scope_id) do update set
      url = excluded.url,
      secret = excluded.secret,
      secret_id = excluded.secret_id,
      timeout_ms = excluded.timeout_ms,
      max_retries = excluded.max_retries,
      dedup_window_secs = excluded.dedup_window_secs,
      enabled = excluded.enabled,
      description = excluded.description,
      updated_at = excluded.updated_at
    returning ${columns(tx)}`
  return row!
}

export async function deleteTool(tx: Db, { projectId, name, scopeId }: ToolName): Promise<boolean> {
  const rows = await tx`
    delete from tools
    where project_id = ${projectId}
      and name = ${name}
      and scope_id = ${scopeId}
    returning 1`
  return rows.length > 0
}

// Calls that are not made twice ---------------------------------------------------------------------------------

export type CallName = AgentName & { tool: string; key: string }

/** `mine`: to be made by who holds the token. Else what it brought, or null while somebody else makes it. */
export type KeptCall = { mine: boolean; authorizationId: string | null; result: Json | null }

type Claim = CallName & {
  token: string
  holdSecs: number
  keepSecs: number
  /** Nobody else can be at it, whatever its row says. */
  takeOver: boolean
}

/** Makes a call one's own, unless it was made, or is being made, already. */
export async function claimCall(sql: Db, it: Claim): Promise<KeptCall> {
  // One whose time is over is forgotten; one that was left in the middle is gone on with.
  const free = sql`
    (
      k.expires_at <= clock_timestamp()
        or (k.result is null and (${it.takeOver}::boolean or k.held_until <= clock_timestamp()))
    )`
  const [row] = await sql<KeptCall[]>`
    insert into kept_calls as k ${valuesOf(sql, {
      project_id: it.projectId,
      agent_id: it.agentId,
      tool: it.tool,
      key: it.key,
      token: it.token,
      held_until: sql`clock_timestamp() + ${it.holdSecs}::float8 * interval '1 s'`,
      expires_at: sql`clock_timestamp() + ${it.holdSecs + it.keepSecs}::float8 * interval '1 s'`,
    })}
    on conflict (project_id, agent_id, tool, key) do update set
      token = case when ${free} then excluded.token else k.token end,
      held_until = case when ${free} then excluded.held_until else k.held_until end,
      expires_at = case when ${free} then excluded.expires_at else k.expires_at end,
      authorization_id = case when k.expires_at > clock_timestamp() then k.authorization_id end,
      result = case when k.expires_at > clock_timestamp() then k.result end
    returning token = ${it.token} as mine, authorization_id as "authorizationId", result`
  return row!
}

/** Whether a call is there, made or not. */
export async function isCallKept(sql: Db, { projectId, agentId, tool, key }: CallName): Promise<boolean> {
  const rows = await sql`
    select from kept_calls
    where project_id = ${projectId}
      and agent_id = ${agentId}
      and tool = ${tool}
      and key = ${key}
      and expires_at > clock_timestamp()`
  return rows.length > 0
}

/** What a call brought that was made; undefined when it was not, or is forgotten. */
export async function findKeptResult(sql: Db, it: CallName): Promise<Json | undefined> {
  const [row] = await sql<{ result: Json }[]>`
    select result from kept_calls
    where project_id = ${it.projectId}
      and agent_id = ${it.agentId}
      and tool = ${it.tool}
      and key = ${it.key}
      and result is not null
      and expires_at > clock_timestamp()`
  return row?.result
}

/** Remembers which decision a call is made under; false when it is somebody else's by now. */
export async function bindCall(sql: Db, it: CallName & { token: string; authorizationId: string }): Promise<boolean> {
  const rows = await sql`
    update kept_calls set authorization_id = ${it.authorizationId}
    where project_id = ${it.projectId}
      and agent_id = ${it.agentId}
      and tool = ${it.tool}
      and key = ${it.key}
      and token = ${it.token}
    returning 1`
  return rows.length > 0
}

/** It was made: what it brought is kept from now on. */
export const keepCall = (sql: Db, it: CallName & { token: string; result: object; keepSecs: number }) => sql`
  update kept_calls
  set
    result = ${jsonText(it.result)}::text::json,
    expires_at = clock_timestamp() + ${it.keepSecs}::float8 * interval '1 s'
  where project_id = ${it.projectId}
    and agent_id = ${it.agentId}
    and tool = ${it.tool}
    and key = ${it.key}
    and token = ${it.token}`

/** It brought nothing: the next one of this key is made. */
export const dropCall = (sql: Db, it: CallName & { token: string }) => sql`
  delete from kept_calls
  where project_id = ${it.projectId}
    and agent_id = ${it.agentId}
    and tool = ${it.tool}
    and key = ${it.key}
    and token = ${it.token}`

/** Lets the next one of this key go on under the same decision. */
export const leaveCall = (sql: Db, it: CallName & { token: string }) => sql`
  update kept_calls set held_until = clock_timestamp()
  where project_id = ${it.projectId}
    and agent_id = ${it.agentId}
    and tool = ${it.tool}
    and key = ${it.key}
    and token = ${it.token}`

export async function deleteStaleCalls(sql: Db, limit: number): Promise<number> {
  const rows = await sql`
    delete from kept_calls where (project_id, agent_id, tool, key) in (
      select project_id, agent_id, tool, key from kept_calls where expires_at <= now() limit ${limit}) returning 1`
  return rows.length
}
