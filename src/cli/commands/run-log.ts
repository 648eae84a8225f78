// The log of one run, and its debug bundle.
import { listRunEvents } from '#contract/events.ts'
import { getDebugBundle } from '#contract/runs/debug.ts'
import { getRun } from '#contract/runs/runs.ts'
import type { Cli } from '../cli.ts'
import { type Commands, declare, onlyArg, textOf, type Values } from '../command.ts'
import { EXIT, usageError } from '../exit-codes.ts'
import { limitOf, limitOption, showList } from '../pages.ts'
import { oneLine } from '../safe-text.ts'
import { saveReply } from '../save-reply.ts'
import { queryOptions } from '../schema-options.ts'
import { eventLine } from '../show/event-lines.ts'
import { fileNameOf } from '../show/run-lines.ts'
import { followRunLines } from '../watch-run.ts'

const BUNDLE_MS_MAX = 10 * 60_000
const filters = queryOptions(listRunEvents, { names: { after_sequence: 'after' }, skip: ['cursor', 'limit'] })

export const runLogCommands: Commands = (program, open) => {
  declare(program, open, 'logs <run>', {
    summary: 'Show the log of a run',
    examples: ['logs $ID -f', 'logs $ID --level error --json'],
    options: (command) => {
      command.option('-f, --follow', 'Go on until the run has ended')
      command.option('--deltas', 'With --follow: include stream chunks and debug lines')
      limitOption(filters.addTo(command) && command)
    },
    action: showLog,
  })
  declare(program, open, 'watch <run>', {
    summary: 'Watch a run until it has ended',
    action: async (cli, _, args) => {
      const run_id = onlyArg(args)
      await followRunLines(cli, run_id, { lines: 'moves', on: 'stdout' })
      const { status, error } = (await cli.ask(getRun, { run_id, include: [] })).value
      if (status !== 'completed') cli.exit = EXIT.no
      cli.terminal.say(`The run is ${status}${error === null ? '' : `: ${oneLine(error)}`}`)
    },
  })
  declare(program, open, 'bundle <run>', {
    summary: 'Download the debug bundle of a run',
    examples: ['bundle $ID', 'bundle $ID -o - > bundle.zip'],
    options: (command) => {
      command.option('-o, --output <file>', 'Where to write it; - for stdout (default: runyard-RUN.zip)')
      command.option('--force', 'Replace the file if it exists')
    },
    action: async (cli, given, args) => {
      const run_id = onlyArg(args)
      const path = textOf(given, 'output') ?? `runyard-${fileNameOf(run_id)}.zip`
      await saveReply(cli, getDebugBundle, {
        input: { run_id, format: 'zip' },
        path,
        replace: given.force === true,
        timeoutMs: BUNDLE_MS_MAX,
      })
    },
  })
}

/** What a stream can be asked for; the other filters are of the list alone. */
type FollowFilter = { after_sequence?: number; type?: string[] }

async function showLog(cli: Cli, given: Values, args: readonly string[]): Promise<void> {
  const run_id = onlyArg(args)
  const input = await filters.read(given)
  if (given.follow) {
    const { after_sequence: afterSequence, type: types, ...others } = input as FollowFilter
    const refused = filters.typed(Object.keys(others))
    if (given.limit !== undefined) refused.push('--limit')
    if (refused.length > 0) throw usageError(`${refused.join(', ')} cannot be combined with --follow.`)
    const deltas = given.deltas === true
    return followRunLines(cli, run_id, { lines: 'all', on: 'stdout', afterSequence, types, deltas })
  }
  await showList(cli, listRunEvents, {
    input: { run_id, ...input },
    limit: limitOf(given),
    none: 'No events match.',
    show: (rows) => {
      for (const event of rows) cli.terminal.line(eventLine(cli, event, 'of a run'))
    },
  })
}
