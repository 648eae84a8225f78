// The log of the project: list, follow, trees of causes, export; and its seals.
import type { Command } from 'commander'
import { readChainTree } from '#contract/chains.ts'
import { listEvents, streamEvents } from '#contract/events.ts'
import type { Output } from '#contract/route.ts'
import { getRun } from '#contract/runs/runs.ts'
import { exportEvents, getSealHead, verifyEvents } from '#contract/seals.ts'
import { RunyardError } from '#sdk/error.ts'
import type { Cli } from '../cli.ts'
import { type Commands, declare, onlyArg, textOf, type Values } from '../command.ts'
import { EXIT, usageError } from '../exit-codes.ts'
import { followLog } from '../follow-log.ts'
import { clockWords, plural } from '../moments.ts'
import { limitOf, limitOption, showList } from '../pages.ts'
import { oneLine } from '../safe-text.ts'
import { saveReply } from '../save-reply.ts'
import { type Names, queryOptions, SchemaOptions, schemaFields } from '../schema-options.ts'
import { eventLine } from '../show/event-lines.ts'

const NAMES: Names = {
  actor_type: 'actor',
  agent_id: 'agent',
  run_id: 'run',
  correlation_id: 'correlation',
  occurred_from: 'since',
  occurred_to: 'until',
}
const filters = queryOptions(listEvents, { names: NAMES, skip: ['cursor', 'limit'] })
const verifying = new SchemaOptions(verifyEvents.query)
const EXPORT_MS_MAX = 3_600_000

export const eventCommands: Commands = (program, open) => {
  const events = declare(program, open, 'events', {
    summary: 'List or follow events of the project',
    examples: ['events --since 1h --type run.failed', 'events -f', 'events -f --type run.failed --json | jq .run_id'],
    options: (command) => {
      command.option('-f, --follow', 'Show events as they happen, until Ctrl-C')
      limitOption(filters.addTo(command) && command)
    },
    action: showEvents,
  })
  declare(events, open, 'tree <id>', {
    summary: 'Show what caused what, by the id of a run or of a correlation',
    action: async (cli, _, args) => showTree(cli, onlyArg(args)),
  })
  declare(events, open, 'export', {
    summary: 'Export events with their seals as CloudEvents, one to a line',
    examples: [
      'events export --from 7d -o events.ndjson',
      'events export --from 2026-01-01 --to 2026-02-01 -o - | gzip > january.gz',
    ],
    options: (command) => {
      new SchemaOptions(exportEvents.query).addTo(command)
      command.option('-o, --output <file>', 'Where to write it; - for stdout', '-')
      command.option('--force', 'Replace the file if it exists')
    },
    action: async (cli, given) => {
      const input = await new SchemaOptions(exportEvents.query).read(given)
      if (input.from === undefined) throw usageError('From when? Give --from, such as --from 7d.')
      const path = textOf(given, 'output')!
      await saveReply(cli, exportEvents, { input, path, replace: given.force === true, timeoutMs: EXPORT_MS_MAX })
    },
  })
  sealCommands(program, open)
}

async function showEvents(cli: Cli, given: Values): Promise<void> {
  const { terminal } = cli
  const input = await filters.read(given)
  if (given.follow !== true)
    return showList(cli, listEvents, {
      input,
      limit: limitOf(given),
      none: 'No events match.',
      show: (rows) => {
        for (const event of rows) terminal.line(eventLine(cli, event, 'of the project'))
      },
    })
  const taken = schemaFields(streamEvents.query)
  const refused = filters.typed(Object.keys(input).filter((name) => !Object.hasOwn(taken, name)))
  if (given.limit !== undefined) refused.push('--limit')
  if (refused.length > 0) throw usageError(`${refused.join(', ')} cannot be combined with --follow.`)
  const { resource_type: type } = input
  for await (const { value, text } of followLog(cli, {
    ...input,
    ...(type !== undefined && { resource_type: [type] }),
  })) {
    if (terminal.json) terminal.record(text)
    else terminal.line(eventLine(cli, value, 'of the project'))
  }
}

async function showTree(cli: Cli, id: string): Promise<void> {
  const { terminal } = cli
  const ask = (correlation_id: string) => cli.ask(readChainTree, { correlation_id })
  // The id of a run stands for the chain that the run is part of.
  const { value, text } = await ask(id).catch(async (error: unknown) => {
    if (!(error instanceof RunyardError) || error.code !== 'correlation_not_found') throw error
    return ask((await cli.ask(getRun, { run_id: id, include: [] })).value.correlation_id)
  })
  if (terminal.json) return terminal.document(text)
  for (const { depth, type, occurred_at, run_id } of value.data) {
    const time = terminal.style('dim', clockWords(occurred_at, terminal.utc))
    terminal.line(
      `${time}  ${'  '.repeat(Math.min(depth, 40))}${oneLine(type)}${run_id ? `  run=${oneLine(run_id)}` : ''}`,
    )
  }
  if (value.truncated) terminal.say('The chain has more events than are shown.')
}

const sealCommands: Commands = (program: Command, open) => {
  const seals = program
    .command('seals')
    .summary('Verify the log against its seals')
    .description('The seals of the log, which make tampering evident.')
  declare(seals, open, 'verify', {
    summary: 'Verify the log against its seals; exit code 1 at the first problem',
    description:
      'Verify the log against its seals, from the first or from where an earlier call ended. Keep the printed seal outside ' +
      'the database: given as --from-seal and --expect, it reveals whether the seals themselves were replaced.',
    examples: ['seals verify', 'seals verify --from-seal 120 --expect 5f0c…'],
    options: (command) => void verifying.addTo(command),
    action: verifyAll,
  })
  declare(seals, open, 'head', {
    summary: 'Show the newest seal',
    action: async (cli) => {
      const { value, text } = await cli.ask(getSealHead, {})
      if (cli.terminal.json) return cli.terminal.document(text)
      const { seal } = value
      if (!seal) return cli.terminal.say('The log has no seal yet.')
      cli.terminal.facts([
        ['Seal', String(seal.number)],
        ['Hash', seal.hash],
        ['Sealed', clockWords(seal.sealed_at, cli.terminal.utc)],
        ['Events', String(seal.events)],
      ])
    },
  })
}

async function verifyAll(cli: Cli, given: Values): Promise<void> {
  const { terminal } = cli
  let input = await verifying.read(given)
  let windows = 0
  let events = 0
  let gone: Output<typeof verifyEvents>['gone'] = { windows: 0, events: 0, recorded_until: null }
  for (;;) {
    const { value, text } = await cli.ask(verifyEvents, input, { timeoutMs: 60_000 })
    windows += value.windows
    events += value.events
    gone = {
      windows: gone.windows + value.gone.windows,
      events: gone.events + value.gone.events,
      recorded_until: value.gone.recorded_until ?? gone.recorded_until,
    }
    terminal.bar(0, null, `${plural(events, 'event')} verified`)
    if (value.next) {
      const { from: _, ...rest } = input
      input = { ...rest, ...value.next }
      continue
    }
    terminal.endBar()
    if (!value.ok) cli.exit = EXIT.no
    if (terminal.json) {
      const total = { ...(JSON.parse(text) as object), windows, events, gone }
      return terminal.document(JSON.stringify(total))
    }
    const problem = value.first_problem
    if (problem) terminal.line(`${terminal.style('red', 'broken')}  ${oneLine(problem.message)} (${problem.reason})`)
    else
      terminal.line(`${terminal.style('green', 'intact')}  ${plural(events, 'event')} in ${plural(windows, 'window')}`)
    if (gone.windows > 0)
      terminal.say(`${plural(gone.windows, 'window')} ${gone.windows === 1 ? 'was' : 'were'} deleted by retention.`)
    if (value.last_seal) terminal.say(`Last verified seal: ${value.last_seal.number} ${value.last_seal.hash}`)
    return
  }
}
