// Tools that agents call through Runyard: named endpoints, for all agents of a project or for one.

import { checkEndpoint, egressOf } from '#access/egress/egress.ts'
import { maskUrl } from '#access/mask.ts'
import type { Ctx } from '#bell/ctx.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { record } from '#log/record.ts'
import { newId } from '#postgres/id.ts'
import type { Db } from '#postgres/sql.ts'
import type { NamedPlan } from '#usage/plan-of.ts'
import { deleteTool, findTool, lockTools, type NewTool, putTool, type ToolName, type ToolRow } from './tools.sql.ts'

export const GLOBAL = 'global'
export const agentScope = (agentId: string): string => `agent:${agentId}`

type Asked = ToolName & { actor: Actor }
type Settings = Pick<NewTool, 'url' | 'timeoutMs' | 'maxRetries' | 'enabled' | 'description'> & {
  /** Undefined: unchanged. */
  dedupWindowSecs?: number | null | undefined
}
export type ToolRequest = Asked & { settings: Settings; secret: string | null | undefined; plan: NamedPlan }

export async function requireTool({ sql }: { sql: Db }, name: ToolName): Promise<ToolRow> {
  const tool = await findTool(sql, name)
  if (!tool) throw refuse('tool_not_found', { tool: name.name })
  return tool
}

/** Creates a tool, if the plan includes one more, or replaces its settings. An omitted secret is kept; null removes it. */
export async function setTool(ctx: Ctx, asked: ToolRequest): Promise<ToolRow> {
  const { projectId, name, scopeId, settings, secret } = asked
  const known = await findTool(ctx.sql, asked)
  // An address that was allowed when it was set is no reason to refuse another change, least of all disabling the tool.
  if (settings.url !== known?.url || (settings.enabled && !known.enabled)) await checkUrl(ctx, settings.url)
  return change(ctx, asked, async (tx) => {
    const count = await lockTools(tx, projectId)
    const before = await findTool(tx, asked)
    const { name: plan, tools } = asked.plan
    if (!before && count >= tools) throw refuse('plan_limit_reached', { plan, what: 'tools', limit: tools })
    const same = secret === undefined || secret === before?.secret
    const row = await putTool(tx, {
      projectId,
      name,
      scopeId,
      ...settings,
      dedupWindowSecs:
        settings.dedupWindowSecs === undefined ? (before?.dedupWindowSecs ?? null) : settings.dedupWindowSecs,
      secret: secret === undefined ? (before?.secret ?? null) : secret,
      // Identifies the secret without revealing it.
      secretId: same ? (before?.secretId ?? null) : secret === null ? null : newId(),
    })
    return { row, type: before ? 'tool.updated' : 'tool.created' }
  })
}

async function checkUrl(ctx: Ctx, url: string): Promise<void> {
  const checked = await checkEndpoint(url, egressOf(ctx))
  if (!checked.ok) throw refuseField('url', checked.message)
}

export async function toggleTool(ctx: Ctx, asked: Asked & { enabled: boolean }): Promise<ToolRow> {
  const known = await requireTool(ctx, asked)
  if (asked.enabled && !known.enabled) await checkUrl(ctx, known.url)
  return change(ctx, asked, async (tx) => {
    await lockTools(tx, asked.projectId)
    const before = await requireTool({ sql: tx }, asked)
    const row = await putTool(tx, { ...before, enabled: asked.enabled })
    return { row, type: asked.enabled ? 'tool.enabled' : 'tool.disabled' }
  })
}

export async function removeTool(ctx: Ctx, asked: Asked): Promise<void> {
  await change(ctx, asked, async (tx) => {
    const row = await requireTool({ sql: tx }, asked)
    await deleteTool(tx, asked)
    return { row, type: 'tool.deleted' }
  })
}

type Changed = { row: ToolRow; type: string }

function change(
  ctx: Ctx,
  { projectId, actor, name, scopeId }: Asked,
  write: (tx: Db) => Promise<Changed>,
): Promise<ToolRow> {
  return record(ctx, async (tx) => {
    const { row, type } = await write(tx)
    const data = { scope_id: scopeId, url: maskUrl(row.url), enabled: row.enabled, secret_id: row.secretId }
    const event = { projectId, actor, type, resourceType: 'tool', resourceId: name, tool: name, data }
    return { result: row, events: [event] }
  })
}
