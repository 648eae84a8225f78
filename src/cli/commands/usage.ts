// What models were used and what they cost.

import type { Output } from '#contract/route.ts'
import { listPrices, sumUsage } from '#contract/usage.ts'
import type { Cli } from '../cli.ts'
import { type Commands, declare, type Values } from '../command.ts'
import { countWords, moneyWords } from '../moments.ts'
import { limitOf, limitOption, showList } from '../pages.ts'
import { queryOptions } from '../schema-options.ts'
import type { Column } from '../table.ts'

const filters = queryOptions(sumUsage, { names: { group_by: 'by', from: 'since', to: 'until', agent_id: 'agent' } })

type Sum = Output<typeof sumUsage>['data'][number]

const GROUP_COLUMNS: readonly (Column<Sum> & { field: keyof Sum })[] = [
  { field: 'day', title: 'DAY', of: (row) => row.day, whole: true },
  { field: 'hour', title: 'HOUR', of: (row) => row.hour?.slice(0, 16), whole: true },
  { field: 'job_id', title: 'JOB', of: (row) => row.job_slug ?? row.job_id },
  { field: 'agent_id', title: 'AGENT', of: (row) => row.agent_id },
  { field: 'provider', title: 'PROVIDER', of: (row) => row.provider },
  { field: 'model', title: 'MODEL', of: (row) => row.model },
]
const SUM_COLUMNS: readonly Column<Sum>[] = [
  { title: 'CALLS', of: (row) => countWords(row.calls), align: 'right', whole: true },
  { title: 'PROMPT', of: (row) => countWords(row.prompt_tokens), align: 'right', whole: true, extra: 2 },
  { title: 'COMPLETION', of: (row) => countWords(row.completion_tokens), align: 'right', whole: true, extra: 1 },
  { title: 'COST', of: (row) => moneyWords(row.cost_microusd), align: 'right', whole: true },
]

export const usageCommands: Commands = (program, open) => {
  declare(program, open, 'usage', {
    summary: 'Sum model usage and cost over a period',
    examples: ['usage --by day', 'usage --by job,model --since 7d', 'usage --agent support --json'],
    options: (command) => void filters.addTo(command),
    action: async (cli, given) => showUsage(cli, await filters.read(given)),
  })
  declare(program, open, 'prices', {
    summary: 'List the prices of models',
    options: limitOption,
    action: async (cli, given) =>
      showList(cli, listPrices, {
        limit: limitOf(given),
        none: 'There are no prices.',
        show: (rows) =>
          cli.terminal.table(rows, [
            { title: 'PROVIDER', of: (row) => row.provider },
            { title: 'MODEL', of: (row) => row.model },
            {
              title: 'PROMPT/M',
              of: (row) => moneyWords(row.prompt_microusd_per_million),
              align: 'right',
              whole: true,
            },
            {
              title: 'COMPLETION/M',
              of: (row) => moneyWords(row.completion_microusd_per_million),
              align: 'right',
              whole: true,
            },
            { title: 'SOURCE', of: (row) => row.source, extra: 1 },
          ]),
      }),
  })
}

async function showUsage(cli: Cli, input: Values): Promise<void> {
  const { terminal } = cli
  const { value, text } = await cli.ask(sumUsage, input)
  if (terminal.json) return terminal.document(text)
  const { data, totals, has_more, from, to } = value
  if (data.length === 0) terminal.say('No model calls were recorded in this period.')
  const groups = GROUP_COLUMNS.filter(({ field }) => data.some((row) => row[field] !== undefined))
  terminal.table(data, [...groups, ...SUM_COLUMNS])
  if (has_more) terminal.say('There are more groups; use a shorter period or a filter.')
  if (totals) {
    const { cost_microusd, models_microusd, tools_microusd } = totals
    const parts = `models ${moneyWords(models_microusd)}, tools ${moneyWords(tools_microusd)}`
    terminal.say(`Total ${moneyWords(cost_microusd)} (${parts}) from ${from.slice(0, 10)} to ${to.slice(0, 10)}`)
  }
}
