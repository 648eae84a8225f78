// Acting on runs: on those that are named, or on all that match a filter.
import type { Command } from 'commander'
import type { Route } from '#contract/route.ts'
import { cancelRun, pauseRun, redriveRun, replayRun, restartRun, resumeRun } from '#contract/runs/run-controls.ts'
import { listRuns } from '#contract/runs/runs.ts'
import { actOnEach, type Verb } from '../act-on-each.ts'
import type { Cli } from '../cli.ts'
import { type Commands, declare, textOf, type Values } from '../command.ts'
import { usageError } from '../exit-codes.ts'
import { readIds } from '../input-text.ts'
import { operate } from '../operate.ts'
import { GLOBAL_OPTIONS, type Names, queryOptions, RUN_NAMES, SchemaOptions, schemaFields } from '../schema-options.ts'

const filters = queryOptions(listRuns, { names: RUN_NAMES, skip: ['cursor', 'limit'] })

type Act = {
  route: Route
  summary: string
  verb: Verb
  /** The kind of the operation that does it to all runs of a filter; without one, each run is called. */
  operation?: 'cancel' | 'replay' | 'redrive'
  /** The states of the runs that it concerns, unless the filter names some. */
  states?: readonly string[]
}

const ACTS: Readonly<Record<string, Act>> = {
  cancel: {
    route: cancelRun,
    summary: 'Cancel runs and their children',
    verb: { now: 'cancel', done: 'canceled' },
    operation: 'cancel',
  },
  replay: {
    route: replayRun,
    summary: 'Replay runs as new runs',
    verb: { now: 'replay', done: 'replayed' },
    operation: 'replay',
  },
  redrive: {
    route: redriveRun,
    summary: 'Redrive dead letters',
    verb: { now: 'redrive', done: 'redriven' },
    operation: 'redrive',
  },
  pause: {
    route: pauseRun,
    summary: 'Pause executing runs',
    verb: { now: 'pause', done: 'asked to pause' },
    states: ['executing'],
  },
  resume: {
    route: resumeRun,
    summary: 'Resume paused runs',
    verb: { now: 'resume', done: 'resumed' },
    states: ['paused'],
  },
  restart: {
    route: restartRun,
    summary: 'Restart runs from the beginning',
    verb: { now: 'restart', done: 'restarted' },
    states: ['executing', 'paused'],
  },
}

export const actCommands: Commands = (program, open) => {
  for (const [name, act] of Object.entries(ACTS)) {
    const own = new SchemaOptions(act.route.body, { names: namesBeside(act.route), skip: ['reason'] })
    declare(program, open, `${name} [run...]`, {
      summary: act.summary,
      description:
        `${act.summary}: those whose ids are given (- reads ids from stdin), or all that match a filter. With a filter, ` +
        'the number of runs is shown first and confirmed.',
      examples: [
        `${name} $ID`,
        `${name} --job invoice --since 2h --dry-run`,
        `runs --limit 10000 --json … | jq -r .id | runyard ${name} -`,
      ],
      options: (command) => addOptions(command, act, own),
      action: async (cli, given, args) => {
        const filter = await filters.read(given)
        const fields = { ...(await own.read(given)), ...reasonOf(act, given) }
        await perform(cli, act, { ids: await readIds(args), filter, fields, given })
      },
    })
  }
}

/** Options of the command itself. */
const OWN_OPTIONS = ['all', 'dry-run', 'yes', 'max', 'reason']

/** A setting that is named like a filter, such as the payload of a replay, is `--set-payload`. */
function namesBeside(route: Route): Names {
  const taken = new Set([...filters.options, ...OWN_OPTIONS, ...GLOBAL_OPTIONS])
  const fields = Object.keys(schemaFields(route.body)).map((name) => [name, name.replaceAll('_', '-')] as const)
  return Object.fromEntries(fields.map(([name, option]) => [name, taken.has(option) ? `set-${option}` : option]))
}

function addOptions(command: Command, act: Act, own: SchemaOptions): void {
  filters.addTo(command)
  command.option('--all', 'All runs of the project')
  command.option('--dry-run', 'Show what would happen, and change nothing')
  command.option('-y, --yes', 'Do not ask for confirmation')
  if (act.operation) command.option('--max <number>', 'With a filter: stop after this many runs')
  if (act.operation || takesReason(act)) command.option('--reason <text>', 'Why; stored in the event log')
  own.addTo(command)
}

const takesReason = ({ route }: Act): boolean => Object.hasOwn(schemaFields(route.body), 'reason')

const reasonOf = (act: Act, given: Values): Values =>
  takesReason(act) && given.reason !== undefined ? { reason: given.reason } : {}

type Acting = { ids: string[]; filter: Values; fields: Values; given: Values }

async function perform(cli: Cli, act: Act, { ids, filter, fields, given }: Acting): Promise<void> {
  const filtered = Object.keys(filter).length > 0 || given.all === true
  if (ids.length > 0 && filtered) throw usageError('Give either ids of runs or a filter, not both.')
  if (ids.length === 0 && !filtered)
    throw usageError(`Which runs? Give ids, a filter such as --job, or --all.`, `runyard ${act.verb.now} --help`)
  const dryRun = given.dryRun === true
  const { route, verb } = act
  if (ids.length > 0) return actOnEach(cli, { route, verb, ids, fields, dryRun })
  const yes = given.yes === true
  if (act.operation) {
    if (Object.keys(fields).some((field) => field !== 'reason'))
      throw usageError('Settings of a single run cannot be combined with a filter; give ids.')
    const max = textOf(given, 'max')
    const reason = textOf(given, 'reason')
    const whole = { kind: act.operation, filter: given.all ? { all: true, ...filter } : filter }
    return operate(cli, { ...whole, reason, max: max === undefined ? undefined : countOf(max), verb, dryRun, yes })
  }
  const matching = { ...filter, ...(filter.status === undefined && { status: [...act.states!] }) }
  await actOnEach(cli, { route, verb, matching, fields, dryRun, yes })
}

function countOf(text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count > 0) return count
  throw usageError(`--max must be a whole number of runs, not "${text}".`)
}
