import type { FastifyInstance } from 'fastify'
import { maskHeaders, maskUrl } from '#access/mask.ts'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/gateway/tool-servers.ts'
import { type Offered, offeredByServer } from '#gateway/offered-tools.ts'
import { refreshTools } from '#gateway/refresh-tools.ts'
import { listToolServers, type ToolServerRow, type ToolServerSettings } from '#gateway/tool-servers.sql.ts'
import { removeToolServer, requireToolServer, setToolServer } from '#gateway/tool-servers.ts'
import { askedBy } from '../../caller.ts'
import { implement } from '../../implement.ts'
import { decodeCursor, encodeCursor, pageOf, TEXT } from '../../wire/cursor.ts'
import { fromWire, toWire } from '../../wire/words.ts'

const serverWire = ({ id: _, projectId: __, toolsHash: ___, ...row }: ToolServerRow) => ({
  ...toWire(row),
  url: maskUrl(row.url),
  headers: maskHeaders(row.headers),
})

const toolWire = ({ name, about, ...it }: Offered) => ({
  name,
  server_name: it.from === 'server' ? it.serverTool.name : name,
  title: about.title ?? null,
  description: about.description ?? null,
  input_schema: about.inputSchema,
  output_schema: about.outputSchema ?? null,
  annotations: about.annotations ?? null,
})

export function toolServerRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listToolServers, async ({ cursor, limit }, { projectId }) => {
    const after = decodeCursor('tool-servers', cursor, [TEXT])?.[0]
    const rows = await listToolServers(ctx.reads, projectId, { after, limit: limit + 1 })
    return pageOf(rows, limit, { wire: serverWire, cursor: ({ name }) => encodeCursor('tool-servers', [name]) })
  })
  implement(app, contract.getToolServer, async ({ tool_server }, { projectId }) =>
    serverWire(await requireToolServer(ctx, projectId, tool_server)),
  )
  implement(app, contract.setToolServer, async ({ tool_server: name, ...input }, caller) => {
    const settings: ToolServerSettings = fromWire(input)
    return serverWire(await setToolServer(ctx, { ...askedBy(caller), name, settings }))
  })
  implement(app, contract.deleteToolServer, async ({ tool_server: name }, caller) => {
    await removeToolServer(ctx, { ...askedBy(caller), name })
    return undefined
  })
  implement(app, contract.refreshToolServer, async ({ tool_server }, { projectId, actor }) => {
    const { row, changes } = await refreshTools(ctx, await requireToolServer(ctx, projectId, tool_server), { actor })
    return { ...serverWire(row), ...changes }
  })
  implement(app, contract.listServerTools, async ({ tool_server, agent_id, cursor, limit }, { projectId }) => {
    const server = await requireToolServer(ctx, projectId, tool_server)
    const after = decodeCursor('server-tools', cursor, [TEXT])?.[0] ?? ''
    const tools = (await offeredByServer(ctx, server, agent_id)).filter(({ name }) => name > after)
    return pageOf(tools.slice(0, limit + 1), limit, {
      wire: toolWire,
      cursor: ({ name }) => encodeCursor('server-tools', [name]),
    })
  })
}
