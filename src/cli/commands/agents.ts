// Agents: the kill switch, and policies.
import type { Command } from 'commander'
import { disableAgent, enableAgent, getAgent, listAgents, Policy, setPolicy, tryPolicy } from '#contract/agents.ts'
import type { Input } from '#contract/route.ts'
import type { Cli } from '../cli.ts'
import { type Commands, declare, onlyArg, textOf, type Values } from '../command.ts'
import { CommandError, EXIT, invalidInput } from '../exit-codes.ts'
import { confirm, readFileText, readJsonText } from '../input-text.ts'
import { agoWords, clockWords, countWords } from '../moments.ts'
import { limitOf, limitOption, showList } from '../pages.ts'
import { oneLine } from '../safe-text.ts'
import { schemaFields } from '../schema-options.ts'
import { changedFields, showChanges } from '../show/changes.ts'

export const agentCommands: Commands = (program, open) => {
  declare(program, open, 'agents', {
    summary: 'List agents',
    options: limitOption,
    action: async (cli, given) =>
      showList(cli, listAgents, {
        limit: limitOf(given),
        none: 'No agent has been seen yet.',
        show: (rows) =>
          cli.terminal.table(rows, [
            { title: 'AGENT', of: (row) => row.id, whole: true },
            {
              title: 'SWITCH',
              of: (row) => (row.enabled ? 'on' : 'off'),
              style: (row) => (row.enabled ? 'green' : 'red'),
            },
            {
              title: 'POLICY',
              of: (row) => (row.policy_version === 0 ? null : `version ${row.policy_version}, ${row.policy_mode}`),
            },
            { title: 'CHANGED', of: (row) => agoWords(row.updated_at), extra: 1 },
            { title: 'REASON', of: (row) => row.disabled_reason, extra: 2 },
          ]),
      }),
  })
  const agent = declare(program, open, 'agent <agent>', {
    summary: 'Show an agent, or switch it',
    examples: ['agent support', 'agent off support --reason "refunds too much"', 'agent on support'],
    action: async (cli, _, args) => showAgent(cli, onlyArg(args)),
  })
  switchCommand(agent, open, {
    name: 'off',
    route: disableAgent,
    summary: 'Turn an agent off, at once and on every node',
  })
  switchCommand(agent, open, { name: 'on', route: enableAgent, summary: 'Turn an agent on again' })
  policyCommands(program, open)
}

type Switch = { name: string; route: typeof disableAgent | typeof enableAgent; summary: string }

function switchCommand(agent: Command, open: Parameters<Commands>[1], { name, route, summary }: Switch): void {
  declare(agent, open, `${name} <agent>`, {
    summary,
    options: (command) => void command.option('--reason <text>', 'Why; stored in the event log'),
    action: async (cli, given, args) => {
      const reason = textOf(given, 'reason')
      const asked = { agent_id: onlyArg(args), ...(reason !== undefined && { reason }) }
      const { value, text } = await cli.ask(route, asked)
      if (cli.terminal.json) return cli.terminal.document(text)
      cli.terminal.say(`Agent ${oneLine(value.id)} is ${value.enabled ? 'on' : 'off'}.`)
    },
  })
}

async function showAgent(cli: Cli, agent_id: string): Promise<void> {
  const { terminal } = cli
  const { value, text } = await cli.ask(getAgent, { agent_id })
  if (terminal.json) return terminal.document(text)
  terminal.facts([
    ['Agent', value.id],
    ['Switch', value.enabled ? 'on' : 'off'],
    [
      'Off since',
      value.disabled_at && `${clockWords(value.disabled_at, terminal.utc)} (${agoWords(value.disabled_at)})`,
    ],
    ['Reason', value.disabled_reason],
    ['Policy', value.policy_version === 0 ? 'none' : `version ${value.policy_version}, ${value.policy_mode}`],
    ['First seen', agoWords(value.created_at)],
  ])
}

const policyCommands: Commands = (program, open) => {
  const policy = program
    .command('policy')
    .summary('Get, set and try policies of agents')
    .description('Policies of agents: what each may do.')
  declare(policy, open, 'get <agent>', {
    summary: 'Print the policy of an agent as JSON',
    examples: ['policy get support > policy.json'],
    action: async (cli, _, args) => {
      const { value } = await cli.ask(getAgent, { agent_id: onlyArg(args) })
      if (value.policy === null)
        throw new CommandError('no_policy', `Agent ${value.id} has no policy.`, {
          exit: EXIT.notFound,
          hint: 'Set one with: runyard policy set AGENT -f policy.json',
        })
      cli.terminal.document(JSON.stringify(value.policy))
    },
  })
  declare(policy, open, 'set <agent>', {
    summary: 'Set the policy of an agent, after showing what changes',
    examples: ['policy set support -f policy.json', 'policy set support -f policy.json --observe --yes'],
    options: (command) => {
      command.requiredOption('-f, --file <file>', 'Policy as JSON; - for stdin')
      command.option('--observe', 'Only log what the policy forbids, and allow it')
      command.option('--dry-run', 'Show what would change, and change nothing')
      command.option('-y, --yes', 'Do not ask for confirmation')
    },
    action: setThePolicy,
  })
  declare(policy, open, 'try <agent>', {
    summary: "Decide an agent's past calls by another policy, and show what would differ",
    examples: ['policy try support -f policy.json --days 30'],
    options: (command) => {
      command.requiredOption('-f, --file <file>', 'Policy as JSON; - for stdin')
      command.option('--days <number>', 'How many days to go back, at most 30 (default: 7)')
    },
    action: tryThePolicy,
  })
}

async function readPolicy(given: Values): Promise<Record<string, unknown>> {
  const path = textOf(given, 'file')!
  const value = JSON.parse(await readJsonText(await readFileText(path), path)) as unknown
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw invalidInput(`${path} must hold a policy, which is a JSON object.`)
}

/** A policy replaces the one before it as a whole: what the file leaves out gets its default. */
const POLICY_DEFAULTS = Object.fromEntries(
  Object.entries(schemaFields(Policy)).map(([name, field]) => [name, (field as { default?: unknown }).default]),
)

async function setThePolicy(cli: Cli, given: Values, args: readonly string[]): Promise<void> {
  const { terminal } = cli
  const agent_id = onlyArg(args)
  const policy = await readPolicy(given)
  const mode = given.observe === true ? 'observe' : 'enforce'
  const has = await cli.ask(getAgent, { agent_id }).then(
    ({ value }) => (value.policy === null ? undefined : { mode: value.policy_mode, ...value.policy }),
    (error: { code?: string }) => (error.code === 'agent_not_found' ? undefined : Promise.reject(error)),
  )
  const changes = changedFields(has ?? {}, { mode, ...(has && POLICY_DEFAULTS), ...policy })
  showChanges(cli, changes)
  if (given.dryRun === true) return
  const agreed = given.yes === true || (await confirm(cli, `Set this policy of agent ${oneLine(agent_id)}?`))
  if (!agreed) throw new CommandError('not_confirmed', 'Nothing was done.', { exit: EXIT.no })
  const { value, text } = await cli.ask(setPolicy, { agent_id, mode, policy } as Input<typeof setPolicy>)
  if (terminal.json) return terminal.document(text)
  terminal.say(`Agent ${oneLine(value.agent_id)} has policy version ${value.version} (${value.mode}).`)
}

async function tryThePolicy(cli: Cli, given: Values, args: readonly string[]): Promise<void> {
  const { terminal } = cli
  const days = textOf(given, 'days')
  const asked = { agent_id: onlyArg(args), policy: await readPolicy(given), ...(days && { days: Number(days) }) }
  const { value, text } = await cli.ask(tryPolicy, asked as Input<typeof tryPolicy>)
  if (terminal.json) return terminal.document(text)
  terminal.facts([
    ['Calls', countWords(value.calls) + (value.truncated ? ' (the latest of more)' : '')],
    ['Allowed', countWords(value.allowed)],
    ['Newly stopped', countWords(value.newly_stopped)],
    ['Newly allowed', countWords(value.newly_allowed)],
    ['Stopped by', value.stopped.map(({ reason, calls }) => `${reason} ${countWords(calls)}`).join(', ')],
  ])
  if (value.samples.length === 0) return
  terminal.line()
  terminal.table(value.samples, [
    { title: 'TOOL', of: (row) => row.tool },
    { title: 'WAS', of: (row) => row.was, whole: true },
    { title: 'WOULD BE', of: (row) => row.would_be, whole: true },
    { title: 'WHEN', of: (row) => clockWords(row.at, terminal.utc), whole: true, extra: 1 },
  ])
}
