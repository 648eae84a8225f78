// Tool servers, and the tools that were read from them last.
import type { Json } from '#core/json/json.ts'
import { valuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'

export type ToolServerSettings = {
  description: string | null
  url: string
  headers: Record<string, string>
  /** Of one call. */
  timeoutSecs: number
  refreshSecs: number
  /** By the server's own name of the tool: for how long the same call is not made again. */
  dedupWindowsSecs: Record<string, number>
  enabled: boolean
}

export type ToolServerRow = ToolServerSettings & {
  id: string
  projectId: string
  name: string
  toolsHash: string
  toolCount: number
  /** Null: its tools have not been read yet. */
  refreshedAt: Date | null
  failingSince: Date | null
  lastError: string | null
  createdAt: Date
  updatedAt: Date
}

const columns = (sql: Db) => sql`
  id,
  project_id as "projectId",
  name,
  description,
  url,
  headers,
  timeout_secs as "timeoutSecs",
  refresh_secs as "refreshSecs",
  dedup_windows_secs as "dedupWindowsSecs",
  enabled,
  tools_hash as "toolsHash",
  tool_count as "toolCount",
  refreshed_at as "refreshedAt",
  failing_since as "failingSince",
  last_error as "lastError",
  created_at as "createdAt",
  updated_at as "updatedAt"`

export async function findToolServer(sql: Db, projectId: string, name: string): Promise<ToolServerRow | undefined> {
  const [row] = await sql<ToolServerRow[]>`
    select ${columns(sql)} from tool_servers where project_id = ${projectId} and name = ${name}`
  return row
}

/** By name. */
export const listToolServers = async (
  sql: Db,
  projectId: string,
  { after = '', limit }: { after?: string | undefined; limit: number },
): Promise<ToolServerRow[]> => [
  ...(await sql<ToolServerRow[]>`
    select ${columns(sql)} from tool_servers
    where project_id = ${projectId} and name > ${after} collate "C"
    order by name limit ${limit}::int`),
]

/** Nobody else changes this server, or reads its tools into its row, until the transaction ends. */
export async function lockToolServer(tx: Db, projectId: string, name: string): Promise<ToolServerRow | undefined> {
  const [row] = await tx<ToolServerRow[]>`
    select ${columns(tx)} from tool_servers where project_id = ${projectId} and name = ${name} for update`
  return row
}

export async function countToolServersLocked(tx: Db, projectId: string): Promise<number> {
  await tx`select from projects where id = ${projectId} for no key update`
  const [row] = await tx<{ n: number }[]>`
    select count(*)::int as n from tool_servers where project_id = ${projectId}`
  return row!.n
}

type Put = ToolServerSettings & { id: string; projectId: string; name: string }

/** Its tools are read next. */
export async function putToolServer(tx: Db, it: Put): Promise<ToolServerRow> {
  const [row] = await tx<ToolServerRow[]>`
    insert into tool_servers ${valuesOf(tx, {
      id: it.id,
      project_id: it.projectId,
      name: it.name,
      description: it.description,
      url: it.url,
      headers: tx`${JSON.stringify(it.headers)}::text::jsonb`,
      timeout_secs: it.timeoutSecs,
      refresh_secs: it.refreshSecs,
      dedup_windows_secs: tx`${JSON.stringify(it.dedupWindowsSecs)}::text::jsonb`,
      enabled: it.enabled,
    })}
    on conflict (project_id, name) do update set
      description = excluded.description,
      url = excluded.url,
      headers = excluded.headers,
      timeout_secs = excluded.timeout_secs,
      refresh_secs = excluded.refresh_secs,
      dedup_windows_secs = excluded.dedup_windows_secs,
      enabled = excluded.enabled,
      refresh_at = now(),
      updated_at = date_trunc('milliseconds', clock_timestamp())
    returning ${columns(tx)}`
  return row!
}

export const deleteToolServer = (tx: Db, id: string) => tx`delete from tool_servers where id = ${id}::uuid`

/** As they were read last, of these servers. */
export const readTools = async (sql: Db, ids: readonly string[]): Promise<{ id: string; tools: Json }[]> => [
  ...(await sql<{ id: string; tools: Json }[]>`
    select id, tools from tool_servers where id = any(${ids as string[]}::uuid[])`),
]

/** Servers whose tools are to be read; each is the caller's until `holdSecs` have passed. */
export const takeDueServers = async (
  sql: Db,
  { limit, holdSecs }: { limit: number; holdSecs: number },
): Promise<ToolServerRow[]> => [
  ...(await sql<ToolServerRow[]>`
    update tool_servers
    set refresh_at = now() + ${holdSecs}::int * interval '1 s'
    where id in (
      select due.id from tool_servers due
      where due.enabled and due.refresh_at <= now()
      order by due.refresh_at limit ${limit}::int for update skip locked)
    returning ${columns(sql)}`),
]

export async function findNextRefresh(sql: Db): Promise<number | undefined> {
  const [row] = await sql<{ inMs: number | null }[]>`
    select extract(epoch from min(refresh_at) - now()) * 1000 as "inMs" from tool_servers where enabled`
  return row?.inMs ?? undefined
}

export const dueNow = (sql: Db, id: string) => sql`update tool_servers set refresh_at = now() where id = ${id}::uuid`

type Refreshed = { id: string; tools: Json; toolsHash: string; toolCount: number }

export async function saveTools(tx: Db, it: Refreshed): Promise<ToolServerRow> {
  const [row] = await tx<ToolServerRow[]>`
    update tool_servers
    set
      tools = ${it.tools.text}::text::json,
      tools_hash = ${it.toolsHash},
      tool_count = ${it.toolCount}::int,
      refreshed_at = date_trunc('milliseconds', clock_timestamp()),
      refresh_at = now() + refresh_secs * interval '1 s',
      failing_since = null,
      last_error = null
    where id = ${it.id}::uuid
    returning ${columns(tx)}`
  return row!
}

/** What was read before stays. */
export async function saveFailure(tx: Db, { id, error }: { id: string; error: string }): Promise<ToolServerRow> {
  const [row] = await tx<ToolServerRow[]>`
    update tool_servers
    set
      refresh_at = now() + refresh_secs * interval '1 s',
      failing_since = coalesce(failing_since, date_trunc('milliseconds', clock_timestamp())),
      last_error = ${error}
    where id = ${id}::uuid
    returning ${columns(tx)}`
  return row!
}
