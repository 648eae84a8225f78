// The names under which agents see tools: that of the server before that of the tool, as clients of MCP accept them.
import { createHash } from 'node:crypto'

/** What clients of MCP, and the models behind them, accept. */
const NAME_MAX = 64
const PLAIN = /^[A-Za-z0-9_-]+$/
export const SEPARATOR = '__'
const HASH_LENGTH = 8

/**
 * The name of a server holds no underscore, so that no two servers share a name. A tool whose own name does not fit
 * gets one that ends in a hash of it.
 */
export const serverToolName = (server: string, tool: string): string => fitted(`${server}${SEPARATOR}`, tool)

/** The name of a tool that the project registered by itself: never one that a server could have. */
export const ownToolName = (tool: string): string => fitted('', tool, (name) => !name.includes(SEPARATOR))

function fitted(prefix: string, tool: string, isFree: (name: string) => boolean = () => true): string {
  if (PLAIN.test(tool) && prefix.length + tool.length <= NAME_MAX && isFree(tool)) return prefix + tool
  const hash = createHash('sha256').update(tool).digest('hex').slice(0, HASH_LENGTH)
  const cleaned = tool.replace(/[^A-Za-z0-9-]+/g, '_').slice(0, NAME_MAX - prefix.length - HASH_LENGTH - 1)
  return `${prefix}${cleaned.replace(/^_|_$/g, '')}_${hash}`
}
