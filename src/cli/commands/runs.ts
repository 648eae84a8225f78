// Looking at runs: the list, one, why it does not progress, its log, attempts, children and debug bundle.
import type { Command } from 'commander'
import { listAttempts } from '#contract/runs/debug.ts'
import { getRun, listChildren, listRuns, whyRun } from '#contract/runs/runs.ts'
import { sleep } from '#sdk/sleep.ts'
import type { Cli } from '../cli.ts'
import { type Commands, declare, onlyArg, type Values } from '../command.ts'
import { usageError } from '../exit-codes.ts'
import { clockWords, spanWords } from '../moments.ts'
import { limitOf, limitOption, listItems, showList } from '../pages.ts'
import { oneLine } from '../safe-text.ts'
import { queryOptions, RUN_NAMES } from '../schema-options.ts'
import { RUN_COLUMNS, showRun, stateStyle } from '../show/run-lines.ts'

const filters = queryOptions(listRuns, { names: RUN_NAMES, skip: ['cursor', 'limit'] })
const WATCH_EVERY_MS = 2_000
const WATCH_ROWS = 20
const CHILDREN_MAX = 1_000
const DEPTH_MAX = 32

export const runCommands: Commands = (program, open) => {
  declare(program, open, 'runs', {
    summary: 'List runs',
    description: 'List runs, newest first; filters combine with AND.',
    examples: ['runs --status failed,dead_letter --since 24h', 'runs --job invoice --tag team:finance --json'],
    options: (command) =>
      void limitOption(filters.addTo(command) && command).option('--watch', 'Show the list again every 2 seconds'),
    action: async (cli, given) => {
      const input = await filters.read(given)
      if (given.watch) return watchRuns(cli, input)
      await listTheRuns(cli, input, limitOf(given))
    },
  })
  declare(program, open, 'run <run>', {
    summary: 'Show a run with its payload and result',
    examples: ['run 019a6b3e-8f10-7c52-9a41-3f6f2d9f5f01', 'run $ID --json | jq .result'],
    action: async (cli, _, args) => {
      const { value, text } = await cli.ask(getRun, { run_id: onlyArg(args) })
      if (cli.terminal.json) return cli.terminal.document(text)
      showRun(cli, value, text)
    },
  })
  declare(program, open, 'why <run>', {
    summary: 'Explain why a run is not progressing',
    action: async (cli, _, args) => {
      const { value, text } = await cli.ask(whyRun, { run_id: onlyArg(args) })
      if (cli.terminal.json) return cli.terminal.document(text)
      const { terminal } = cli
      terminal.text(value.sentence)
      terminal.say(
        [
          `${value.status} for ${spanWords(Date.now() - Date.parse(value.since))}`,
          value.owner && `held by ${oneLine(value.owner)}`,
          value.until && `until ${clockWords(value.until, terminal.utc)}`,
          value.position_hint !== undefined && `about ${value.position_hint} ahead`,
        ]
          .filter(Boolean)
          .join(' · '),
      )
    },
  })
  attemptCommands(program, open)
}

const attemptCommands: Commands = (program: Command, open) => {
  declare(program, open, 'attempts <run>', {
    summary: 'List the attempts of a run',
    options: limitOption,
    action: async (cli, given, args) =>
      showList(cli, listAttempts, {
        input: { run_id: onlyArg(args) },
        limit: limitOf(given),
        none: 'No attempt has started.',
        show: (rows) =>
          cli.terminal.table(rows, [
            { title: 'ATTEMPT', of: (row) => row.attempt, align: 'right', whole: true },
            { title: 'OUTCOME', of: (row) => row.outcome ?? 'in progress', whole: true },
            { title: 'STARTED', of: (row) => clockWords(row.started_at, cli.terminal.utc), whole: true },
            {
              title: 'TOOK',
              of: (row) => row.ended_at && spanWords(Date.parse(row.ended_at) - Date.parse(row.started_at)),
              align: 'right',
              whole: true,
            },
            { title: 'BY', of: (row) => row.owner, extra: 1 },
            { title: 'ERROR', of: (row) => row.error, style: () => 'red' },
          ]),
      }),
  })
  declare(program, open, 'tree <run>', {
    summary: 'Show the children of a run as a tree',
    action: async (cli, _, args) => {
      const { value, text } = await cli.ask(getRun, { run_id: onlyArg(args), include: [] })
      const seen = { count: 0 }
      await showTree(cli, { run: value, text, depth: 0 }, seen)
      if (seen.count >= CHILDREN_MAX) cli.terminal.say(`Only the first ${CHILDREN_MAX} runs are shown.`)
    },
  })
}

async function listTheRuns(cli: Cli, input: Values, limit: number): Promise<void> {
  await showList(cli, listRuns, {
    input,
    limit,
    none:
      Object.keys(input).length > 0
        ? 'No run matches.'
        : 'There are no runs yet; trigger one with: runyard trigger JOB',
    show: (rows) => cli.terminal.table(rows, RUN_COLUMNS),
  })
}

async function watchRuns(cli: Cli, input: Values): Promise<void> {
  const { terminal } = cli
  if (!terminal.isRead || terminal.json)
    throw usageError('--watch needs a terminal.', 'Follow events instead with: runyard events -f --json')
  for (;;) {
    const rows = (await cli.ask(listRuns, { ...input, limit: WATCH_ROWS })).value.data
    terminal.clear()
    terminal.line(terminal.style('dim', `Every ${WATCH_EVERY_MS / 1000} s, until Ctrl-C`))
    terminal.table(rows, RUN_COLUMNS)
    await sleep(WATCH_EVERY_MS, cli.signal)
  }
}

type Branch = { run: { id: string; status: string; job_slug: string | null }; text: string; depth: number }

async function showTree(cli: Cli, { run, text, depth }: Branch, seen: { count: number }): Promise<void> {
  const { terminal } = cli
  seen.count++
  if (terminal.json) terminal.record(text)
  else {
    const how = stateStyle(run.status)
    const status = how ? terminal.style(how, run.status) : run.status
    terminal.line(`${'  '.repeat(depth)}${oneLine(run.id)}  ${status}  ${oneLine(run.job_slug ?? '-')}`)
  }
  if (depth >= DEPTH_MAX) return
  for await (const child of listItems(cli, listChildren, { input: { run_id: run.id }, limit: CHILDREN_MAX })) {
    if (seen.count >= CHILDREN_MAX) return
    await showTree(cli, { run: child.value, text: child.text, depth: depth + 1 }, seen)
  }
}
