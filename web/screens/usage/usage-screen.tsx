// What models used and cost, by day and by whatever one asks for; and the prices that costs are filled in by.
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { sumUsage } from '../../api/calls.ts'
import { count, money, sentenceCase } from '../../look/words.ts'
import { Answered } from '../../parts/answered.tsx'
import { BarChart, type Stack } from '../../parts/bar-chart.tsx'
import { Empty } from '../../parts/notes.tsx'
import { Panel } from '../../parts/panel.tsx'
import { Table } from '../../parts/table.tsx'
import { useTitle } from '../../parts/title.ts'
import { one } from '../../routing/search.ts'
import { Prices } from './prices.tsx'
import styles from './usage.module.css'

const GROUPS = ['model', 'agent', 'job', 'provider'] as const
type Group = (typeof GROUPS)[number]
const DAYS = [7, 30, 90] as const
const DAY_MS = 86_400_000
const SHOWN_MAX = 5

type Sums = Awaited<ReturnType<typeof sumUsage>>['data']

export function UsageScreen() {
  useTitle('Usage')
  const search = useSearch({ from: '/signed-in/usage' })
  const navigate = useNavigate({ from: '/usage' })
  const days = DAYS.find((it) => String(it) === one(search.days)) ?? 30
  const group = GROUPS.find((it) => it === one(search.group_by)) ?? 'model'
  const show = (change: { days?: string; group_by?: string }) => void navigate({ search: { ...search, ...change } })
  const query = useQuery({
    queryKey: ['usage', days, group],
    queryFn: ({ signal }) =>
      sumUsage({ group_by: ['day', group], from: new Date(Date.now() - days * DAY_MS).toISOString() }, { signal }),
  })
  return (
    <>
      <div className={styles.head}>
        <h1>Usage</h1>
        <label>
          Last{' '}
          <select value={days} onChange={({ target }) => show({ days: target.value })}>
            {DAYS.map((it) => (
              <option key={it} value={it}>
                {it} days
              </option>
            ))}
          </select>
        </label>
        <label>
          By{' '}
          <select value={group} onChange={({ target }) => show({ group_by: target.value })}>
            {GROUPS.map((it) => (
              <option key={it} value={it}>
                {it}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Answered query={query} what="The usage">
        {({ data, totals, has_more }) => (
          <>
            <Panel title={totals ? `${money(totals.cost_microusd)} in all` : 'Cost by day'} pad>
              {totals && (
                <p className={styles.muted}>
                  models {money(totals.models_microusd)}, tools {money(totals.tools_microusd)}
                </p>
              )}
              {data.length === 0 ? (
                <Empty title="No calls of models in this time">
                  Attempts report them by POST /v1/runs/:run_id/usage.
                </Empty>
              ) : (
                <Charts data={data} group={group} />
              )}
              {has_more && (
                <p className={styles.muted}>There are more than 1,000 groups; a shorter time shows them all.</p>
              )}
            </Panel>
            {data.length > 0 && <Groups data={data} group={group} />}
          </>
        )}
      </Answered>
      <Prices />
    </>
  )
}

const nameOf = (sum: Sums[number], group: Group): string =>
  (group === 'model' ? sum.model : group === 'agent' ? sum.agent_id : group === 'job' ? sum.job_slug : sum.provider) ??
  'none'

/** The costliest, and the rest together. */
function Charts({ data, group }: { data: Sums; group: Group }) {
  const totals = totalsOf(data, group)
  const named = totals.slice(0, SHOWN_MAX).map(({ name }) => name)
  const hasRest = totals.length > SHOWN_MAX
  const names = hasRest ? [...named, 'the rest'] : named
  const hasCost = totals.some(({ cost_microusd }) => cost_microusd > 0)
  const days = [...new Set(data.map(({ day = '' }) => day))].sort()
  const stacks: Stack[] = days.map((day) => {
    const parts = new Map(names.map((name) => [name, 0]))
    for (const sum of data.filter((it) => it.day === day)) {
      const own = nameOf(sum, group)
      const name = named.includes(own) ? own : 'the rest'
      const value = hasCost ? sum.cost_microusd : sum.calls
      parts.set(name, (parts.get(name) ?? 0) + value)
    }
    return { label: day, parts: [...parts].map(([name, value]) => ({ name, value })) }
  })
  return (
    <BarChart
      label={hasCost ? `Cost by day and ${group}` : `Calls by day and ${group}`}
      stacks={stacks}
      names={names}
      words={hasCost ? money : (value) => `${count(value)} calls`}
    />
  )
}

type Total = { name: string; calls: number; prompt_tokens: number; completion_tokens: number; cost_microusd: number }

function totalsOf(data: Sums, group: Group): Total[] {
  const totals = new Map<string, Total>()
  for (const sum of data) {
    const name = nameOf(sum, group)
    const total = totals.get(name) ?? { name, calls: 0, prompt_tokens: 0, completion_tokens: 0, cost_microusd: 0 }
    total.calls += sum.calls
    total.prompt_tokens += sum.prompt_tokens
    total.completion_tokens += sum.completion_tokens
    total.cost_microusd += sum.cost_microusd
    totals.set(name, total)
  }
  return [...totals.values()].sort((a, b) => b.cost_microusd - a.cost_microusd || b.calls - a.calls)
}

function Groups({ data, group }: { data: Sums; group: Group }) {
  return (
    <Panel title={`By ${group}`}>
      <Table
        label={`Usage by ${group}`}
        rows={totalsOf(data, group)}
        keyOf={({ name }) => name}
        columns={[
          { name: sentenceCase(group), cell: ({ name }) => name },
          { name: 'Calls', right: true, cell: ({ calls }) => count(calls) },
          { name: 'Tokens read', right: true, wide: true, cell: ({ prompt_tokens }) => count(prompt_tokens) },
          {
            name: 'Tokens written',
            right: true,
            wide: true,
            cell: ({ completion_tokens }) => count(completion_tokens),
          },
          { name: 'Cost', right: true, cell: ({ cost_microusd }) => money(cost_microusd) },
        ]}
      />
    </Panel>
  )
}
