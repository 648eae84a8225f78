// The tools that an agent sees: those of all servers of its project, and those that the project registered by itself, as
// far as its policy lets it call them.
import { LRUCache } from 'lru-cache'
import { type AgentRow, findAgent } from '#agents/agents.sql.ts'
import { findTool, listTools, type ToolRow } from '#agents/tools/tools.sql.ts'
import { agentScope, GLOBAL } from '#agents/tools/tools.ts'
import type { Ctx } from '#bell/ctx.ts'
import { part } from '#bell/part.ts'
import { isForbidden } from '#core/policy.ts'
import { type ServerTool, toolsOf } from './server-tools.ts'
import { ownToolName, SEPARATOR, serverToolName } from './tool-name.ts'
import { findToolServer, listToolServers, readTools, type ToolServerRow } from './tool-servers.sql.ts'
import { TOOL_SERVERS_MAX } from './tool-servers.ts'

export type Offered = {
  /** What clients call it. */
  name: string
  /** What policies, prices and the log call it. */
  tool: string
  about: Omit<ServerTool, 'name'>
} & ({ from: 'server'; server: ToolServerRow; serverTool: ServerTool } | { from: 'project'; registered: ToolRow })

type Who = { projectId: string; agentId: string }

/** Of each scope. */
const REGISTERED_MAX = 500
/** Lists that are kept parsed; each is at most a megabyte of text. */
const LISTS_MAX = 100
/** What is known of the input of a registered tool: that it is an object. */
const ANY_OBJECT = { type: 'object' } as const

const parsedLists = part(() => new LRUCache<string, ServerTool[]>({ max: LISTS_MAX }))

/** By name. Calls of others are refused by the policy all the same: this only spares the model the attempt. */
export async function listOffered(ctx: Ctx, who: Who): Promise<Offered[]> {
  const [agent, servers, registered] = await Promise.all([
    findAgent(ctx.sql, who.projectId, who.agentId),
    listToolServers(ctx.sql, who.projectId, { limit: TOOL_SERVERS_MAX }),
    listRegistered(ctx, who),
  ])
  const lists = await serverTools(
    ctx,
    servers.filter(({ enabled }) => enabled),
  )
  const all = [...lists.flatMap(({ server, tools }) => tools.map((tool) => ofServer(server, tool))), ...registered]
  const byName = new Map<string, Offered>()
  for (const one of all) if (!byName.has(one.name) && mayCall(agent, one)) byName.set(one.name, one)
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** The tool that a client calls so, whether its policy allows it or not; undefined when there is none. */
export async function findOffered(ctx: Ctx, who: Who, name: string): Promise<Offered | undefined> {
  const at = name.indexOf(SEPARATOR)
  const server = at > 0 ? await findToolServer(ctx.sql, who.projectId, name.slice(0, at)) : undefined
  if (server?.enabled) {
    const [list] = await serverTools(ctx, [server])
    const tool = list?.tools.find((one) => serverToolName(server.name, one.name) === name)
    return tool && ofServer(server, tool)
  }
  const registered = await findRegistered(ctx, who, name)
  if (registered) return ofProject(registered)
  // Only a name that clients would not accept is changed.
  return (await listRegistered(ctx, who)).find((one) => one.name === name)
}

/** Those of one server, enabled or not: all, or those that the policy of an agent allows. */
export async function offeredByServer(ctx: Ctx, server: ToolServerRow, agentId?: string): Promise<Offered[]> {
  const [list] = await serverTools(ctx, [server])
  const agent = agentId === undefined ? undefined : await findAgent(ctx.sql, server.projectId, agentId)
  const tools = (list?.tools ?? []).map((tool) => ofServer(server, tool)).filter((tool) => mayCall(agent, tool))
  return tools.sort((a, b) => (a.name < b.name ? -1 : 1))
}

const mayCall = (agent: AgentRow | undefined, { tool }: Offered): boolean =>
  !agent || !isForbidden(agent.policy, { enabled: agent.enabled, mode: agent.policyMode }, tool)

async function serverTools(ctx: Ctx, servers: readonly ToolServerRow[]) {
  const lists = parsedLists(ctx)
  const keyOf = ({ id, toolsHash }: ToolServerRow) => `${id}\0${toolsHash}`
  const missing = servers.filter((server) => server.toolCount > 0 && !lists.has(keyOf(server)))
  const read = new Map(
    (
      await readTools(
        ctx.sql,
        missing.map(({ id }) => id),
      )
    ).map(({ id, tools }) => [id, tools]),
  )
  return servers.map((server) => {
    const kept = read.get(server.id)
    if (kept) lists.set(keyOf(server), toolsOf(kept))
    return { server, tools: lists.get(keyOf(server)) ?? [] }
  })
}

function ofServer(server: ToolServerRow, serverTool: ServerTool): Offered {
  const { name: own, ...about } = serverTool
  const name = serverToolName(server.name, own)
  return { name, tool: name, about, from: 'server', server, serverTool }
}

function ofProject(registered: ToolRow): Offered {
  const { name: tool, description } = registered
  const about = { inputSchema: ANY_OBJECT, ...(description !== null && { description }) }
  return { name: ownToolName(tool), tool, about, from: 'project', registered }
}

/** The agent's own ones first: they take the place of those of the same name that all agents share. */
async function listRegistered({ sql }: Ctx, { projectId, agentId }: Who): Promise<Offered[]> {
  const scopes = [agentScope(agentId), GLOBAL]
  const lists = await Promise.all(
    scopes.map((scopeId) => listTools(sql, { projectId, scopeId, limit: REGISTERED_MAX })),
  )
  return lists
    .flat()
    .filter(({ enabled }) => enabled)
    .map(ofProject)
}

async function findRegistered({ sql }: Ctx, { projectId, agentId }: Who, name: string): Promise<ToolRow | undefined> {
  if (ownToolName(name) !== name) return undefined
  const own = await findTool(sql, { projectId, name, scopeId: agentScope(agentId) })
  const found = own ?? (await findTool(sql, { projectId, name, scopeId: GLOBAL }))
  return found?.enabled ? found : undefined
}
