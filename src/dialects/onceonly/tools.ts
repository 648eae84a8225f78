// The registry of tools. What calls are signed with is never shown.
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { listTools, type ToolRow } from '#agents/tools/tools.sql.ts'
import { GLOBAL, removeTool, requireTool, setTool, toggleTool } from '#agents/tools/tools.ts'
import type { Ctx } from '#bell/ctx.ts'
import { nullable, optional, text, whole, withDefault } from '#contract/common.ts'
import { type Route, route } from '#contract/route.ts'
import { implement } from '#http/implement.ts'
import { second } from './ai.ts'
import { TOOL_NAME } from './ai-contract.ts'
import { overCount, planOf } from './plans.ts'

const tag = 'Tools'
const SCOPE_ID = withDefault(
  text(134, 'For all agents (`global`), or for one (`agent:<id>`), whose own tool goes before.', {
    pattern: '^(global|agent:.+)$',
  }),
  GLOBAL,
)
const ToolPath = Type.Object({ name: text(128, 'Name of the tool.', { minLength: 1 }) })
const ScopeQuery = Type.Object({ scope_id: SCOPE_ID })
/** No plan has room for more. */
const TOOLS_MAX = 1_000

const Tool = Type.Object(
  {
    name: TOOL_NAME,
    scope_id: Type.String(),
    url: Type.String(),
    auth: nullable(Type.Object({ type: Type.String() }), 'How calls are signed; null when they are not.'),
    timeout_ms: Type.Integer(),
    max_retries: Type.Integer(),
    dedup_window_secs: optional(Type.Integer({ description: 'Seconds; absent for the usual 300.' })),
    enabled: Type.Boolean(),
    description: nullable(Type.String()),
    has_secret: Type.Boolean(),
    secret_id: nullable(Type.String(), 'Another one for each secret.'),
    secret_mask: nullable(Type.String(), 'As much of the secret as may be seen.'),
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
  summary: 'Register a tool, or change the one of this name and scope.',
  description: 'A secret that is not sent again stays as it was; `auth: null` takes it away.',
  body: Type.Object({
    name: TOOL_NAME,
    scope_id: SCOPE_ID,
    url: text(2048, 'The endpoint that is called, with POST.', { minLength: 1 }),
    auth: optional(
      Type.Unsafe<{ type: 'hmac_sha256'; secret: string } | null>({
        type: ['object', 'null'],
        required: ['secret'],
        properties: {
          type: { type: 'string', enum: ['hmac_sha256'], default: 'hmac_sha256' },
          secret: { type: 'string', minLength: 8, maxLength: 256 },
        },
        description: 'What calls are signed with.',
      }),
    ),
    timeout_ms: withDefault(whole(250, 120_000, 'How long one try may take.'), 15_000),
    max_retries: withDefault(whole(0, 10, 'Tries after the first, when one may help.'), 2),
    dedup_window_secs: optional(
      nullable(
        whole(
          0,
          86_400,
          'Seconds for which the same call of the same agent is answered with what it brought, and not made again; 0: it is ' +
            'made each time; null: 300. What is not said stays.',
        ),
      ),
    ),
    enabled: withDefault(Type.Boolean({ description: 'False: it is registered, and may not be called.' }), true),
    description: optional(nullable(text(512, 'What it does.'))),
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
  summary: 'Read a tool.',
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
  summary: 'Switch a tool on or off.',
  params: ToolPath,
  query: ScopeQuery,
  body: Type.Object({ enabled: Type.Boolean({ description: 'Whether it may be called.' }) }),
  replies: { 200: Tool },
  refusals: ['tool_not_found'],
})

const remove = route({
  method: 'DELETE',
  path: '/v1/tools/:name',
  needs: 'agents:write',
  tag,
  name: 'deleteTool',
  summary: 'Forget a tool.',
  params: ToolPath,
  query: ScopeQuery,
  replies: { 200: Type.Object({ ok: Type.Boolean(), deleted: Type.String({ description: 'Name of the tool.' }) }) },
  refusals: ['tool_not_found'],
})

export const TOOL_ROUTES: readonly Route[] = [putTool, list, read, toggle, remove]

export function toolRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, putTool, async ({ name, scope_id, auth, ...it }, { projectId, actor }) => {
    const plan = await planOf(ctx, projectId)
    const row = await setTool(ctx, {
      projectId,
      actor,
      name,
      scopeId: scope_id,
      room: plan.tools,
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
    if (!row) throw overCount(plan, 'tools', plan.tools)
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

/** Of a short secret even its end would be too much of it. */
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
