// How runs ended in the last day, hour by hour.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { FAILURE_STATES, type RunState } from '#core/run.ts'
import { aggregateRuns } from '../../api/calls.ts'
import { count } from '../../look/words.ts'
import { Answered } from '../../parts/answered.tsx'
import { BarChart } from '../../parts/bar-chart.tsx'
import { Panel } from '../../parts/panel.tsx'
import styles from './home.module.css'

const HOUR_MS = 3_600_000
const OUTCOMES = [
  { name: 'completed', colour: 'var(--ok)', states: ['completed'] },
  { name: 'failed', colour: 'var(--bad)', states: FAILURE_STATES },
  { name: 'canceled', colour: 'var(--faint)', states: ['canceled'] },
] as const satisfies { name: string; colour: string; states: readonly RunState[] }[]

type Sum = Awaited<ReturnType<typeof aggregateRuns>>['data'][number]

export function Ended() {
  const query = useQuery({
    queryKey: ['stats', 'ends'],
    queryFn: ({ signal }) => aggregateRuns({ group_by: ['hour', 'status'] }, { signal }),
  })
  return (
    <Panel title="Ended, 24 hours" pad>
      <Answered query={query} what="How runs ended">
        {({ data, from, to }) =>
          data.length === 0 ? (
            <p className={styles.muted}>No run ended in the last 24 hours.</p>
          ) : (
            <>
              <BarChart
                label="How runs ended, by the hour"
                stacks={stacksOf(data, Date.parse(from), Date.parse(to))}
                names={OUTCOMES.map(({ name }) => name)}
                colours={OUTCOMES.map(({ colour }) => colour)}
                words={count}
                unit="hour"
              />
              <ul className={styles.ended} aria-label="How runs ended, in all">
                {OUTCOMES.map(({ name, states }) => (
                  <li key={name}>
                    <Link to="/runs" search={{ status: states.join(','), finished_from: from }}>
                      <b>{count(sumOf(data, states))}</b> {name}
                    </Link>
                  </li>
                ))}
              </ul>
            </>
          )
        }
      </Answered>
    </Panel>
  )
}

const sumOf = (sums: readonly Sum[], states: readonly RunState[]): number =>
  sums.filter(({ status }) => status !== undefined && states.includes(status)).reduce((all, it) => all + it.count, 0)

function stacksOf(sums: readonly Sum[], fromMs: number, toMs: number) {
  const byHour = Map.groupBy(sums, ({ hour }) => Date.parse(hour ?? ''))
  return Array.from({ length: Math.round((toMs - fromMs) / HOUR_MS) }, (_, index) => {
    const startMs = fromMs + index * HOUR_MS
    const ofHour = byHour.get(startMs) ?? []
    return {
      label: `${new Date(startMs).toISOString().slice(11, 16)} UTC`,
      parts: OUTCOMES.map(({ name, states }) => ({ name, value: sumOf(ofHour, states) })),
    }
  })
}
