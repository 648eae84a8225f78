// What was done to many runs at once, and how far it is.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { cancelOperation, listOperations } from '../../api/calls.ts'
import { useMay } from '../../api/session.ts'
import { count, sentenceCase } from '../../look/words.ts'
import { useAct } from '../../parts/act.ts'
import { Answered } from '../../parts/answered.tsx'
import { Button } from '../../parts/button.tsx'
import { Confirm } from '../../parts/confirm.tsx'
import { ActorName, RunLink } from '../../parts/id.tsx'
import { Empty } from '../../parts/notes.tsx'
import { Facts, Panel } from '../../parts/panel.tsx'
import { Time } from '../../parts/time.tsx'
import { useTitle } from '../../parts/title.ts'
import { pick } from '../../routing/search.ts'
import { RUN_FILTERS } from '../runs/filters.ts'
import styles from './operations.module.css'

type Operation = Awaited<ReturnType<typeof listOperations>>['data'][number]

const EVERY_MS = 2_000

export function OperationsScreen() {
  useTitle('Operations')
  const query = useQuery({
    queryKey: ['operations'],
    queryFn: ({ signal }) => listOperations({ limit: 50 }, { signal }),
    // Progress is no event: while one is under way, it is asked for.
    refetchInterval: ({ state }) =>
      state.data?.data.some(({ finished_at }) => finished_at === null) ? EVERY_MS : false,
  })
  return (
    <>
      <h1>Operations</h1>
      <Answered query={query} what="The operations">
        {({ data }) =>
          data.length === 0 ? (
            <Panel label="Operations">
              <Empty title="No operations yet">
                <p>
                  On the list of <Link to="/runs">runs</Link>, cancel, replay or redrive all that match its filters.
                </p>
              </Empty>
            </Panel>
          ) : (
            data.map((operation) => <Shown key={operation.id} operation={operation} />)
          )
        }
      </Answered>
    </>
  )
}

function Shown({ operation }: { operation: Operation }) {
  const { id, kind, status, filter, expected, matched, done, skipped, runs_per_second, problems } = operation
  const may = useMay()
  const [isAsked, setAsked] = useState(false)
  const stop = useAct(() => cancelOperation({ operation_id: id }), ['operations'])
  const isOver = operation.finished_at !== null
  const tools = (
    <>
      {status.replace('_', ' ')}
      {!isOver && may('runs:write') && (
        <Button look="danger" onClick={() => setAsked(true)}>
          Stop …
        </Button>
      )}
    </>
  )
  return (
    <Panel title={`${sentenceCase(kind)} runs`} tools={tools} pad>
      {!isOver && (
        <progress max={expected ?? undefined} value={expected === null ? undefined : matched} aria-label="Progress" />
      )}
      <Facts
        items={[
          [
            'Which',
            <Link key="which" to="/runs" search={searchOf(filter)}>
              {filterWords(filter)}
            </Link>,
          ],
          [
            'Progress',
            `${count(matched)}${expected === null ? '' : ` of ${count(expected)}`} looked at, ${count(done)} done, ${count(skipped)} skipped, ${count(Math.round(runs_per_second))}/s`,
          ],
          ['Begun', <Time key="begun" at={operation.created_at} />],
          isOver && ['Over', <Time key="over" at={operation.finished_at} />],
          ['By', <ActorName key="by" {...operation.created_by} />],
          operation.reason !== null && ['Why', operation.reason],
          operation.error !== null && [
            'Error',
            <span key="error" className={styles.error}>
              {operation.error}
            </span>,
          ],
        ]}
      />
      {problems.length > 0 && (
        <details>
          <summary>The first {problems.length} that were skipped</summary>
          <ul className={styles.problems}>
            {problems.map(({ run_id, code, message }) => (
              <li key={run_id}>
                <RunLink id={run_id} /> <code>{code}</code> {message}
              </li>
            ))}
          </ul>
        </details>
      )}
      <Confirm
        open={isAsked}
        onClose={() => setAsked(false)}
        title="Stop this operation"
        verb="Stop it"
        isDanger
        act={() => stop.mutateAsync()}
      >
        What it has done stays done;{' '}
        {expected === null ? 'the rest' : `about ${count(Math.max(0, expected - matched))} runs`} will not be touched.
      </Confirm>
    </Panel>
  )
}

const filterWords = (filter: Operation['filter']): string =>
  filter.all === true
    ? 'all runs of the project'
    : Object.entries(filter)
        .map(([name, value]) => `${name} ${[value].flat().join(', ')}`)
        .join(' · ')

/** A list in a filter is one text with commas in the address. */
const searchOf = (filter: Operation['filter']) => {
  const { status, ...rest } = filter
  return { ...pick(RUN_FILTERS)(rest), ...(Array.isArray(status) && { status: status.join(',') }) }
}
