// A client of the Model Context Protocol whose calls of tools are governed. It names no type of an MCP library.
import { ToolBlocked } from './errors.ts'
import { type Governing, type GovernOptions, governedCall } from './governed-call.ts'
import { editWords } from './tools.ts'

/** How the calls of an MCP client are governed. */
export type McpOptions = {
  /** Stands before the names of tools in policies, such as `github_`. */
  prefix?: string
  /** How calls of each tool are governed, by the server's name of the tool. */
  tools?: Readonly<Record<string, GovernOptions>>
}

// biome-ignore lint/suspicious/noExplicitAny: each library has types of its own for the same messages.
type McpClient = { callTool: (params: any, ...more: any[]) => Promise<any> }
type CallParams = { name: string; arguments?: Record<string, unknown> }
type ToolResult = { content?: unknown[]; isError?: boolean }

/** The same client; only `callTool` is another one. */
export function governedMcp<Client extends McpClient>(
  governing: Governing,
  client: Client,
  { prefix = '', tools = {} }: McpOptions = {},
): Client {
  const own = new Map(Object.entries(tools))
  const callTool = async (params: CallParams, ...more: unknown[]): Promise<ToolResult> => {
    const tool = `${prefix}${params.name}`
    const outcome = await governedCall(governing, {
      tool,
      args: params.arguments ?? {},
      options: own.get(params.name),
      work: (args) => client.callTool({ ...params, arguments: args }, ...more),
      isFailure: (result) => (result as ToolResult | null)?.isError === true,
    })
    if (outcome.ended === 'blocked') return errorResult(new ToolBlocked(tool, outcome.reason).message)
    const result = outcome.result as ToolResult | undefined
    if (outcome.ended === 'failed') return result ?? errorResult(outcome.message)
    if (!outcome.edited) return result ?? { content: [] }
    return { ...result, content: [...(result?.content ?? []), { type: 'text', text: editWords(outcome.edited) }] }
  }
  return new Proxy(client, {
    get(target, property) {
      if (property === 'callTool') return callTool
      const value: unknown = Reflect.get(target, property, target)
      // Bound to the client itself: its private fields are not reached through a proxy.
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const errorResult = (text: string): ToolResult => ({ content: [{ type: 'text', text }], isError: true })
