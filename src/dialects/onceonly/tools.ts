// The tool registry. The secrets that sign calls are never shown.

import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { listTools, type ToolRow } from '#agents/tools/tools.sql.ts'
import { GLOBAL, removeTool, requireTool, setTool, toggleTool } from '#agents/tools/tools.ts'
import type { Ctx } from '#bell/ctx.ts'
import { nullable, optional, text, whole, withDefault } from '#contract/common.ts'
import { type Route, route } from '#contract/route.ts'
import { DAY_SECS } from '#core/durations.ts'
import { implement } from '#http/implement.ts'
import { planOf } from '#usage/plan-of.ts'
import { second } from './ai.ts'
import { TOOL_NAME } from './ai-contract.ts'

const tag = 'Tools'
const SCOPE_ID = withDefault(
  text(134, '`global` for all agents, or `agent:<id>` for one agent, whose own tools take precedence.', {
    pattern: '^(global|agent:.+)$',
  }),
  GLOBAL,
)
const ToolPath = Type.Object({ name: text(128, 'Name of the tool.', { minLength: 1 }) })
const ScopeQuery = Type.Object({ scope_id: SCOPE_ID })
/** No plan allows more. */
const TOOLS_MAX = 1_000

const Tool = Type.Object(
  {
    name: TOOL_NAME,
    scope_id: Type.String(),
    url: Type.String(),
    auth: nullable(Type.Object({ type: Type.String() }), 'How calls are signed; null when they are not signed.'),
    timeout_ms: Type.Integer(),
    max_retries: Type.Integer(),
    dedup_window_secs: optional(Type.Integer({ description: 'Seconds; absent for the default of 300.' })),
    enabled: Type.Boolean(),
    description: nullable(Type.String()),
    has_secret: Type.Boolean(),
    secret_id: nullable(Type.String(), 'Id of the secret; each secret has a new one.'),
    secret_mask: nullable(Type.String(), 'The secret, masked.'),
    created_at: Type.String(),
    updated_at: Type.String(),
  },
  { title: 'Tool' },
)

const putTool = route({
  method: 'POST',
  path: '/v1/tools',
  needs: 'agents:write',
  tag,
  name: 'putTool',
  summary: 'Register a tool, or update the tool with this name and scope.',
  description: 'A secret that is not sent again is unchanged; `auth: null` removes it.',
  body: Type.Object({
    name: TOOL_NAME,
    scope_id: SCOPE_ID,
    url: text(2048, 'URL that is called with POST.', { minLength: 1 }),
    auth: optional(
      Type.Unsafe<{ type: 'hmac_sha256'; secret: string } | null>({
        type: ['object', 'null'],
        required: ['secret'],
        properties: {
          type: { type: 'string', enum: ['hmac_sha256'], default: 'hmac_sha256' },
          secret: { type: 'string', minLength: 8, maxLength: 256 },
        },
        description: 'How to sign calls.',
      }),
    ),
    timeout_ms: withDefault(whole(250, 120_000, 'Timeout of one attempt, in milliseconds.'), 15_000),
    max_retries: withDefault(whole(0, 10, 'Attempts after the first, for errors that a retry may fix.'), 2),
    dedup_window_secs: optional(
      nullable(
        whole(
          0,
          DAY_SECS,
          'Seconds for which the same call by the same agent returns the earlier result instead of calling again; 0: no ' +
            'deduplication; null: 300. Omit it to leave it unchanged.',
        ),
      ),
    ),
    enabled: withDefault(Type.Boolean({ description: 'False: the tool is registered but may not be called.' }), true),
    description: optional(nullable(text(512, 'What the tool does.'))),
  }),
  replies: { 200: Tool },
})

const list = route({
  method: 'GET',
  path: '/v1/tools',
  needs: 'agents:read',
  tag,
  name: 'listTools',
  summary: 'List the tools of a scope, by name.',
  query: ScopeQuery,
  replies: { 200: Type.Array(Tool) },
})

const read = route({
  method: 'GET',
  path: '/v1/tools/:name',
  needs: 'agents:read',
  tag,
  name: 'readTool',
  summary: 'Get a tool.',
  params: ToolPath,
  query: ScopeQuery,
  replies: { 200: Tool },
  refusals: ['tool_not_found'],
})

const toggle = route({
  method: 'POST',
  path: '/v1/tools/:name/toggle',
  needs: 'agents:write',
  tag,
  name: 'toggleTool',
  summary: 'Enable or disable a tool.',
  params: ToolPath,
  query: ScopeQuery,
  body: Type.Object({ enabled: Type.Boolean({ description: 'Whether the tool may be called.' }) }),
  replies: { 200: Tool },
  refusals: ['tool_not_found'],
})

const remove = route({
  method: 'DELETE',
  path: '/v1/tools/:name',
  needs: 'agents:write',
  tag,
  name: 'deleteTool',
  summary: 'Delete a tool.',
  params: ToolPath,
  query: ScopeQuery,
  replies: { 200: Type.Object({ ok: Type.Boolean(), deleted: Type.String({ description: 'Name of the tool.' }) }) },
  refusals: ['tool_not_found'],
})

export const TOOL_ROUTES: readonly Route[] = [putTool, list, read, toggle, remove]

export function toolRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, putTool, async ({ name, scope_id, auth, ...it }, { projectId, actor }) => {
    const row = await setTool(ctx, {
      projectId,
      actor,
      name,
      scopeId: scope_id,
      plan: await planOf(ctx, projectId),
      secret: auth === undefined ? undefined : (auth?.secret ?? null),
      settings: {
        url: it.url,
        timeoutMs: it.timeout_ms,
        maxRetries: it.max_retries,
        dedupWindowSecs: it.dedup_window_secs,
        enabled: it.enabled,
        description: it.description ?? null,
      },
    })
    return toolWire(row)
  })
  implement(app, list, async ({ scope_id }, { projectId }) =>
    (await listTools(ctx.reads, { projectId, scopeId: scope_id, limit: TOOLS_MAX })).map(toolWire),
  )
  implement(app, read, async ({ name, scope_id }, { projectId }) =>
    toolWire(await requireTool(ctx, { projectId, name, scopeId: scope_id })),
  )
  implement(app, toggle, async ({ name, scope_id, enabled }, { projectId, actor }) =>
    toolWire(await toggleTool(ctx, { projectId, actor, name, scopeId: scope_id, enabled })),
  )
  implement(app, remove, async ({ name, scope_id }, { projectId, actor }) => {
    await removeTool(ctx, { projectId, actor, name, scopeId: scope_id })
    return { ok: true, deleted: name }
  })
}

/** For a short secret, even the last characters would reveal too much. */
const MASKED_LENGTH_MIN = 16
const maskOf = (secret: string): string => `****${secret.length < MASKED_LENGTH_MIN ? '' : secret.slice(-4)}`

const toolWire = (row: ToolRow) => ({
  name: row.name,
  scope_id: row.scopeId,
  url: row.url,
  auth: row.secret === null ? null : { type: 'hmac_sha256' },
  timeout_ms: row.timeoutMs,
  max_retries: row.maxRetries,
  ...(row.dedupWindowSecs !== null && { dedup_window_secs: row.dedupWindowSecs }),
  enabled: row.enabled,
  description: row.description,
  has_secret: row.secret !== null,
  secret_id: row.secretId,
  secret_mask: row.secret && maskOf(row.secret),
  created_at: second(row.createdAt)!,
  updated_at: second(row.updatedAt)!,
})
