// MCP over stdio: the same tools as at /mcp of a node, for clients that start programs.
import type { Sent } from '#mcp/ask.ts'
import { send, unanswered } from '#sdk/call.ts'
import type { Cli } from '../cli.ts'
import { type Commands, declare, onlyArg } from '../command.ts'
import { usageError } from '../exit-codes.ts'

const TIMEOUT_MS = 60_000

export const mcpCommands: Commands = (program, open) => {
  const mcp = declare(program, open, 'mcp', {
    summary: 'Serve MCP over stdio, for models',
    description:
      'Serve the Model Context Protocol over stdin and stdout: tools, resources and prompts for the server of the profile in ' +
      'use, as far as its key may go.',
    examples: ['mcp', 'mcp config claude'],
    action: serve,
  })
  declare(mcp, open, 'config <client>', {
    summary: `Print what to put into a client (${[...CONFIGS.keys()].join(', ')})`,
    action: async (cli, _, args) => {
      const config = CONFIGS.get(onlyArg(args))
      if (!config)
        throw usageError(`The client must be one of ${[...CONFIGS.keys()].join(', ')}, not "${onlyArg(args)}".`)
      cli.terminal.line(config)
    },
  })
}

const STDIO = { command: 'npx', args: ['runyard', 'mcp'] }
const servers = (name: string) => JSON.stringify({ [name]: { runyard: STDIO } }, null, 2)

const CONFIGS: ReadonlyMap<string, string> = new Map([
  ['claude', 'claude mcp add runyard -- npx runyard mcp'],
  ['codex', 'codex mcp add runyard -- npx runyard mcp'],
  ['cursor', servers('mcpServers')],
  ['vscode', servers('servers')],
  ['json', servers('mcpServers')],
])

async function serve(cli: Cli): Promise<void> {
  // Loaded here alone: no other command should pay for it.
  const { serveStdio } = await import('@modelcontextprotocol/server/stdio')
  const { askThrough, pagesThrough } = await import('#mcp/ask.ts')
  const { mcpServer } = await import('#mcp/server.ts')
  const transport = (request: Sent) => sendWhole(cli, request)
  const [ask, readPage] = [askThrough(transport), pagesThrough(transport)]
  cli.terminal.say(`Serving MCP over stdio for ${cli.target.url}.`)
  const ended = new Promise<void>((resolve) => {
    process.stdin.once('end', resolve)
    process.stdin.once('close', resolve)
    cli.signal.addEventListener('abort', () => resolve())
  })
  const server = serveStdio(() => mcpServer({ ask, readPage, version: cli.version }), {
    onerror: (error) => cli.terminal.warn(error.message),
  })
  await ended
  await server.close()
}

/** The reply, read to its end: whatever breaks off is the network's, and is told to the model as that. */
async function sendWhole(cli: Cli, { method, target, body, headers }: Sent): Promise<Response> {
  const late = AbortSignal.timeout(TIMEOUT_MS)
  const signal = AbortSignal.any([cli.signal, late])
  try {
    const response = await send(cli.connection, { request: { method, target, body }, signal, headers })
    const text = await response.text()
    return new Response(text === '' ? null : text, response)
  } catch (error) {
    cli.signal.throwIfAborted()
    throw unanswered(error, late.aborted, `${method} ${target}`)
  }
}
