// What a tool server offers: read page by page within bounds, kept as JSON, and compared with what was read before.
import { createHash } from 'node:crypto'
import type { Client } from '@modelcontextprotocol/client'
import { canonicalJson } from '#core/json/canonical.ts'
import { Json } from '#core/json/json.ts'
import { answerProblem, storableJson } from '#core/storable.ts'

/** A tool as its server describes it, without what concerns only the server and its own clients. */
export type ServerTool = {
  name: string
  title?: string | undefined
  description?: string | undefined
  inputSchema: { type: 'object' } & Record<string, unknown>
  outputSchema?: Record<string, unknown> | undefined
  annotations?: Record<string, unknown> | undefined
}

const TOOLS_MAX = 500
const PAGES_MAX = 50
const TOOLS_BYTES_MAX = 1024 * 1024

/** Throws a sentence about the server when its tools cannot be read, or are too many to be kept. */
export async function readServerTools(client: Client, timeoutMs: number): Promise<ServerTool[]> {
  const tools = new Map<string, ServerTool>()
  const signal = AbortSignal.timeout(timeoutMs)
  let cursor: string | undefined
  for (let page = 0; ; page++) {
    if (page === PAGES_MAX) throw new Error(`its list of tools has more than ${PAGES_MAX} pages`)
    const params = cursor === undefined ? {} : { cursor }
    const read = await client.request({ method: 'tools/list', params }, { timeout: timeoutMs, signal })
    for (const { name, title, description, inputSchema, outputSchema, annotations, execution } of read.tools) {
      // Such a tool is called as a task only, which takes a client that comes back for the result.
      if (execution?.taskSupport === 'required' || tools.has(name)) continue
      const tool = { name, title, description, inputSchema, outputSchema, annotations }
      tools.set(name, JSON.parse(JSON.stringify(storableJson(tool))) as ServerTool)
    }
    if (tools.size > TOOLS_MAX) throw new Error(`it has more than ${TOOLS_MAX} tools`)
    cursor = read.nextCursor
    if (cursor === undefined) break
  }
  return checked([...tools.values()].sort((a, b) => (a.name < b.name ? -1 : 1)))
}

function checked(tools: ServerTool[]): ServerTool[] {
  const text = JSON.stringify(tools)
  if (Buffer.byteLength(text) > TOOLS_BYTES_MAX)
    throw new Error(`the descriptions of its tools exceed ${TOOLS_BYTES_MAX} bytes`)
  const problem = answerProblem(text, tools)
  if (problem) throw new Error(`its list of tools ${problem}`)
  return tools
}

/** Equal lists have equal hashes. */
export const hashOfTools = (tools: readonly ServerTool[]): string =>
  createHash('sha256').update(canonicalJson(tools)).digest('hex')

export const toolsJson = (tools: readonly ServerTool[]): Json => Json.of(tools)
export const toolsOf = (json: Json): ServerTool[] => json.value as ServerTool[]

export type ToolChanges = { added: string[]; removed: string[]; changed: string[] }

/** Names of what differs: of a changed tool the description, a schema or a hint is another one. */
export function changesBetween(before: readonly ServerTool[], after: readonly ServerTool[]): ToolChanges {
  const old = new Map(before.map((tool) => [tool.name, tool]))
  const now = new Set(after.map(({ name }) => name))
  const isChanged = (tool: ServerTool) => {
    const known = old.get(tool.name)
    return known !== undefined && canonicalJson(known) !== canonicalJson(tool)
  }
  return {
    added: after.filter(({ name }) => !old.has(name)).map(({ name }) => name),
    removed: before.filter(({ name }) => !now.has(name)).map(({ name }) => name),
    changed: after.filter(isChanged).map(({ name }) => name),
  }
}
