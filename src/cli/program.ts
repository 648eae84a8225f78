// The program: its commands, the options that all of them take, and how it ends.
import { Command, CommanderError } from 'commander'
import { Cli, type GlobalFlags } from './cli.ts'
import { type Commands, examplesText } from './command.ts'
import { accessCommands } from './commands/access.ts'
import { actCommands } from './commands/act.ts'
import { agentCommands } from './commands/agents.ts'
import { apiCommands } from './commands/api.ts'
import { completionCommands } from './commands/completion.ts'
import { eventCommands } from './commands/events.ts'
import { failureCommands } from './commands/failures.ts'
import { healthCommands } from './commands/health.ts'
import { jobCommands } from './commands/jobs.ts'
import { mcpCommands } from './commands/mcp.ts'
import { peopleCommands } from './commands/people.ts'
import { runLogCommands } from './commands/run-log.ts'
import { runCommands } from './commands/runs.ts'
import { startCommands } from './commands/start.ts'
import { triggerCommands } from './commands/trigger.ts'
import { usageCommands } from './commands/usage.ts'
import { workerCommands } from './commands/worker.ts'
import { EXIT, EXIT_WORDS, type ExitCode, exitCodeOf } from './exit-codes.ts'
import { showError } from './show-error.ts'
import { type Environment, Terminal } from './terminal.ts'

const LAST_GROUP = 'Everything else:'
const GROUPS: readonly (readonly [string, readonly Commands[]])[] = [
  ['Begin:', [startCommands, accessCommands, healthCommands]],
  ['Runs:', [triggerCommands, runCommands, runLogCommands, failureCommands, actCommands]],
  ['Jobs, people and agents:', [jobCommands, workerCommands, peopleCommands, agentCommands]],
  ['Log and cost:', [eventCommands, usageCommands]],
  [LAST_GROUP, [apiCommands, mcpCommands, completionCommands]],
]

const EXAMPLES = [
  'login http://127.0.0.1:8080',
  `trigger invoice -d '{"customer": "c1"}' --wait`,
  'runs --status failed --since 24h',
  'why $ID',
  'events -f',
]

type Running = { argv: readonly string[]; env: Environment; signal: AbortSignal; version: string }

/** Runs one command line; the answer is the exit code. */
export async function runProgram({ argv, env, signal, version }: Running): Promise<ExitCode> {
  let cli: Cli | undefined
  const open = (flags: GlobalFlags): Cli => (cli = new Cli({ env, flags, signal, version }))
  // What is known before the options are parsed, for an error in parsing them.
  const early = () => new Terminal(env, { json: argv.includes('--json'), color: !argv.includes('--no-color') })
  const program = buildProgram(open, version)
  try {
    if (argv.length === 0) program.outputHelp()
    else await program.parseAsync(argv, { from: 'user' })
    return cli?.exit ?? EXIT.ok
  } catch (error) {
    if (signal.aborted) return (signal.reason as { exit?: ExitCode }).exit ?? EXIT.interrupted
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    const terminal = cli?.terminal ?? early()
    terminal.endBar()
    showError(terminal, error)
    return exitCodeOf(error)
  }
}

function buildProgram(open: (flags: GlobalFlags) => Cli, version: string): Command {
  const program = new Command('runyard')
  program
    .description(`Start, watch and govern runs of jobs and agents.\n\n${examplesText(EXAMPLES)}`)
    .version(version, '-V, --version', 'Show the version')
    .option('--json', 'Print JSON: one document, or one to a line for lists and logs')
    .option('--plain', 'Print tables as lines of tab-separated values, without cutting them')
    .option('-q, --quiet', 'Print no words, only data and errors')
    .option('--no-input', 'Never ask anything')
    .option('--no-color', 'Print no colours (also NO_COLOR)')
    .option('--utc', 'Show times in UTC')
    .option('--url <url>', 'Address of the server (also RUNYARD_URL)')
    .option('--profile <name>', 'Use this profile (also RUNYARD_PROFILE)')
    .option('--timeout <seconds>', 'How long to wait for each reply (default: 30)')
    .helpOption('-h, --help', 'Show help')
    .addHelpCommand(helpCommand())
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', `\n${EXIT_WORDS}\n\nThe key comes from a profile (runyard login) or from RUNYARD_API_KEY.`)
    .showSuggestionAfterError()
    .exitOverride()
  for (const [heading, groups] of GROUPS) {
    program.commandsGroup(heading)
    for (const add of groups) add(program, open)
  }
  for (const command of everyCommand(program)) finish(command)
  return program
}

const everyCommand = (command: Command): Command[] =>
  command.commands.flatMap((child) => [child, ...everyCommand(child)])

function finish(command: Command): void {
  command
    .exitOverride()
    .showHelpAfterError(`(see: runyard ${pathOf(command)} --help)`)
    .helpOption('-h, --help', 'Show help')
}

const pathOf = (command: Command): string =>
  command.parent?.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name()

const helpCommand = (): Command =>
  new Command('help').argument('[command]').summary('Show help for a command').helpGroup(LAST_GROUP)
