// Starts a server: the one beside these sources, or the package `runyard-server`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Cli } from '../cli.ts'
import { type Commands, declare, textOf, type Values } from '../command.ts'
import { CommandError, EXIT, type ExitCode, usageError } from '../exit-codes.ts'

export const startCommands: Commands = (program, open) => {
  declare(program, open, 'start', {
    summary: 'Start a server on this machine',
    description:
      'Start a server on this machine, with an embedded PostgreSQL unless DATABASE_URL is set. All settings of the server ' +
      'come from the environment; DATABASE_URL is only taken from there, because it may hold a password.',
    examples: ['start', 'start --port 9090 --data ./state'],
    options: (command) => {
      command.option('--port <number>', 'Port to listen on (default: 8080)')
      command.option('--data <folder>', 'Folder of the embedded database (default: .runyard)')
      command.option('--demo', 'Run the example agent too')
    },
    action: startServer,
  })
}

async function startServer(cli: Cli, given: Values): Promise<void> {
  const port = textOf(given, 'port')
  if (port !== undefined && !(Number.isInteger(Number(port)) && Number(port) >= 0 && Number(port) <= 65_535))
    throw usageError(`--port must be a port number, not "${port}".`)
  const data = textOf(given, 'data')
  const [program, ...args] = serverCommand(cli)
  const child = spawn(program!, args, {
    stdio: 'inherit',
    env: {
      ...cli.env,
      // It means nothing to a server, which would warn of it.
      RUNYARD_PROFILE: undefined,
      ...(port !== undefined && { PORT: port }),
      ...(data !== undefined && { RUNYARD_DATA_DIR: data }),
      ...(given.demo === true && { RUNYARD_DEMO: 'on' }),
    },
  })
  // A terminal sends Ctrl-C to both; who sends a signal to this process alone means the server.
  const pass = (signal: NodeJS.Signals) => void child.kill(signal)
  process.on('SIGTERM', pass)
  process.on('SIGINT', () => {})
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  process.off('SIGTERM', pass)
  if (signal !== null) cli.exit = EXIT.server
  else cli.exit = code === 0 ? EXIT.ok : (EXIT.server as ExitCode)
}

/** What to run: the sources in a clone, or the installed package. */
function serverCommand(cli: Cli): string[] {
  const beside = fileURLToPath(new URL('../../main.ts', import.meta.url))
  if (existsSync(beside)) return [process.execPath, '--max-semi-space-size=16', beside]
  const installed = installedServer()
  if (installed) return [process.execPath, installed]
  const found = (cli.env.PATH ?? '')
    .split(process.platform === 'win32' ? ';' : ':')
    .map((folder) => join(folder, 'runyard-server'))
  const onPath = found.find((path) => existsSync(path))
  if (onPath) return [onPath]
  throw new CommandError('server_not_installed', 'The server is not installed here.', {
    exit: EXIT.notFound,
    hint: 'Install it with: npm install runyard-server, or run it once with: npx runyard-server',
  })
}

/** The program of the package, which installs beside this one. */
function installedServer(): string | undefined {
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    const path = join(folder, 'node_modules', '.bin', 'runyard-server')
    if (existsSync(path)) return path
    if (dirname(folder) === folder) return undefined
  }
}
