// Tool servers: set, removed, found. Each change and its event are one transaction; the tools are read afterwards.
import { checkEndpoint, egressOf } from '#access/egress/egress.ts'
import { headersProblem } from '#access/egress/headers.ts'
import { maskUrl, unmaskHeaders } from '#access/mask.ts'
import type { Ctx } from '#bell/ctx.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { record } from '#log/record.ts'
import { newId } from '#postgres/id.ts'
import type { Db } from '#postgres/sql.ts'
import {
  countToolServersLocked,
  deleteToolServer,
  findToolServer,
  lockToolServer,
  putToolServer,
  type ToolServerRow,
  type ToolServerSettings,
} from './tool-servers.sql.ts'

export const TOOL_SERVERS_MAX = 50

type Asked = Cause & { projectId: string; name: string }

export async function requireToolServer({ sql }: { sql: Db }, projectId: string, name: string): Promise<ToolServerRow> {
  const row = await findToolServer(sql, projectId, name)
  if (!row) throw refuse('tool_server_not_found', { name })
  return row
}

/** Registers a server, or replaces its settings. Masked values, as they are shown, keep what is behind them. */
export async function setToolServer(ctx: Ctx, asked: Asked & { settings: ToolServerSettings }): Promise<ToolServerRow> {
  const { projectId, name } = asked
  const known = await findToolServer(ctx.sql, projectId, name)
  const settings = unmasked(asked.settings, known)
  // An address that was allowed when it was set is no reason to refuse another change, least of all disabling it.
  if (settings.url !== known?.url || (settings.enabled && !known.enabled)) await checkUrl(ctx, settings.url)
  return record(ctx, async (tx) => {
    const count = await countToolServersLocked(tx, projectId)
    const before = await lockToolServer(tx, projectId, name)
    if (!before && count >= TOOL_SERVERS_MAX)
      throw refuseField('name', `would be one more than the ${TOOL_SERVERS_MAX} tool servers that a project may have`)
    const row = await putToolServer(tx, { ...settings, id: before?.id ?? newId(), projectId, name })
    const type = before ? 'tool_server.updated' : 'tool_server.created'
    return { result: row, events: [eventOf(asked, row, { type })], rings: ['tool-servers'] }
  })
}

export async function removeToolServer(ctx: Ctx, asked: Asked): Promise<void> {
  const { projectId, name } = asked
  await record(ctx, async (tx) => {
    const row = await lockToolServer(tx, projectId, name)
    if (!row) throw refuse('tool_server_not_found', { name })
    await deleteToolServer(tx, row.id)
    return {
      result: undefined,
      events: [eventOf(asked, row, { type: 'tool_server.deleted' })],
      rings: ['tool-servers'],
    }
  })
}

/** Set by the client of the protocol for each request. */
const OF_THE_PROTOCOL = /^(?:mcp-|accept$|content-type$|last-event-id$)/i

function unmasked(sent: ToolServerSettings, kept: ToolServerRow | undefined): ToolServerSettings {
  const ours = Object.keys(sent.headers).find((name) => OF_THE_PROTOCOL.test(name))
  if (ours !== undefined)
    throw refuseField('headers', `must not hold ${JSON.stringify(ours)}: it belongs to the protocol`)
  const problem = headersProblem(sent.headers)
  if (problem) throw refuseField('headers', problem)
  const headers = unmaskHeaders(sent.headers, kept?.headers ?? {})
  if ('problem' in headers) throw refuseField('headers', headers.problem)
  const url = kept && sent.url === maskUrl(kept.url) ? kept.url : sent.url
  return { ...sent, url, headers: headers.values }
}

async function checkUrl(ctx: Ctx, url: string): Promise<void> {
  const checked = await checkEndpoint(url, egressOf(ctx))
  if (!checked.ok) throw refuseField('url', checked.message)
}

export const eventOf = (
  { projectId, actor, correlationId, causationId }: Cause & { projectId: string },
  row: Pick<ToolServerRow, 'name' | 'url' | 'enabled'>,
  { type, ...more }: { type: `tool_server.${string}`; data?: object; level?: string; message?: string },
) => ({
  projectId,
  actor,
  correlationId,
  causationId,
  resourceType: 'tool_server',
  resourceId: row.name,
  ...more,
  type,
  data: { url: maskUrl(row.url), enabled: row.enabled, ...more.data },
})
