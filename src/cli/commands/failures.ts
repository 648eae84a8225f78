// What fails: groups of the same job, error code and message, and the runs of one of them.
import type { Output } from '#contract/route.ts'
import { listFailures } from '#contract/runs/ends.ts'
import { listRuns } from '#contract/runs/runs.ts'
import type { Cli } from '../cli.ts'
import { type Commands, declare, type Values } from '../command.ts'
import { CommandError, EXIT, usageError } from '../exit-codes.ts'
import { memberText } from '../json-text.ts'
import { agoWords, clockWords, plural } from '../moments.ts'
import { limitOf, limitOption, listItems, showList } from '../pages.ts'
import { oneLine } from '../safe-text.ts'
import { queryOptions } from '../schema-options.ts'
import { RUN_COLUMNS } from '../show/run-lines.ts'
import type { Column } from '../table.ts'

type Failure = Output<typeof listFailures>['data'][number]

const filters = queryOptions(listFailures, {
  names: { from: 'since', to: 'until' },
  skip: ['cursor', 'limit', 'error_group'],
})
const GROUP = /^[0-9a-f]{16}$/
const VERSIONS_SHOWN = 5

const COLUMNS: readonly Column<Failure>[] = [
  { title: 'GROUP', of: (row) => row.error_group, whole: true },
  { title: 'COUNT', of: (row) => row.count, align: 'right', whole: true },
  { title: 'LAST', of: (row) => agoWords(row.last_seen_at), align: 'right', whole: true },
  { title: 'JOB', of: (row) => row.job_slug },
  { title: 'CODE', of: (row) => row.error_code, extra: 1 },
  { title: 'MESSAGE', of: (row) => row.message, style: () => 'red' },
]

export const failureCommands: Commands = (program, open) => {
  declare(program, open, 'failures [group]', {
    summary: 'List what fails, in groups, or show one group with its runs',
    description:
      'List failures of the last 24 hours in groups of the same job, error code and message, the latest first. With the id ' +
      'of a group, show it and its latest runs.',
    examples: ['failures', 'failures --job invoice --since 7d', 'failures $GROUP', 'failures --json | jq .error_group'],
    options: (command) => void limitOption(filters.addTo(command) && command),
    action: async (cli, given, [group]) => {
      const input = await filters.read(given)
      if (group === undefined) return listGroups(cli, given, input)
      if (!GROUP.test(group))
        throw usageError(`"${group}" is not the id of a group.`, 'List groups with: runyard failures')
      await showGroup(cli, { group, input, limit: limitOf(given) })
    },
  })
}

async function listGroups(cli: Cli, given: Values, input: Values): Promise<void> {
  const { terminal } = cli
  await showList(cli, listFailures, {
    input,
    limit: limitOf(given),
    pageMax: 100,
    none: 'Nothing has failed.',
    show: (rows) => {
      terminal.table(rows, COLUMNS)
      terminal.say(`Runs of a group: runyard failures ${rows[0]!.error_group}`)
    },
  })
}

type Asked = { group: string; input: Values; limit: number }

async function showGroup(cli: Cli, { group, input, limit }: Asked): Promise<void> {
  const { terminal } = cli
  const { value, text } = await cli.ask(listFailures, { ...input, error_group: group, limit: 1 })
  const [failure] = value.data
  if (!failure) {
    throw new CommandError('failure_not_found', `Group ${group} has not failed in that time.`, {
      exit: EXIT.notFound,
      hint: `Look further back with: runyard failures ${group} --since 30d`,
    })
  }
  if (terminal.json) {
    // The group first, then its runs, as they came.
    terminal.record((memberText(text, 'data') ?? '[]').trim().slice(1, -1))
  } else {
    const { utc } = terminal
    terminal.facts([
      ['Group', failure.error_group],
      ['Job', failure.job_slug],
      ['Code', failure.error_code],
      ['Message', failure.message],
      ['Failures', `${plural(failure.count, 'run')} since ${clockWords(value.from, utc)}`],
      ['First seen', `${clockWords(failure.first_seen_at, utc)} (${agoWords(failure.first_seen_at)})`],
      ['Last seen', `${clockWords(failure.last_seen_at, utc)} (${agoWords(failure.last_seen_at)})`],
      ['Versions', versionWords(failure)],
      ['Latest', failure.sample.error],
    ])
    terminal.line()
  }
  await showRuns(cli, group, limit)
}

const versionWords = ({ versions }: Failure): string =>
  versions
    .slice(0, VERSIONS_SHOWN)
    .map(({ version, count }) => `${version} (${count})`)
    .join(', ')

async function showRuns(cli: Cli, group: string, limit: number): Promise<void> {
  const { terminal } = cli
  if (terminal.json) {
    for await (const { text } of listItems(cli, listRuns, { input: { error_group: group }, limit }))
      terminal.record(text)
    return
  }
  await showList(cli, listRuns, {
    input: { error_group: group },
    limit,
    none: 'Its runs are past their retention period.',
    show: (rows) => {
      terminal.table(
        rows,
        RUN_COLUMNS.filter(({ title }) => title !== 'JOB'),
      )
      terminal.say(`Explain  runyard why ${oneLine(rows[0]!.id)}`)
    },
  })
}
