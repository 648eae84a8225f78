// The attempts, each with what ended it and where its time went.
import { useQuery } from '@tanstack/react-query'
import type { Run } from '#contract/runs/run.ts'
import { listAttempts } from '../../api/calls.ts'
import { duration } from '../../look/words.ts'
import { Answered } from '../../parts/answered.tsx'
import { JsonTree } from '../../parts/json-tree.tsx'
import { Empty } from '../../parts/notes.tsx'
import { Facts, Panel } from '../../parts/panel.tsx'
import { StateChip } from '../../parts/state-chip.tsx'
import { Elapsed, Time } from '../../parts/time.tsx'
import styles from './run.module.css'

export function AttemptsTab({ run }: { run: Run }) {
  const query = useQuery({
    queryKey: ['run', run.id, 'attempts'],
    queryFn: ({ signal }) => listAttempts({ run_id: run.id, limit: 500 }, { signal }),
  })
  return (
    <Answered query={query} what="The attempts">
      {({ data }) =>
        data.length === 0 ? (
          <Empty title="No attempt has begun">The line above says what it waits for.</Empty>
        ) : (
          <div className={styles.columns}>
            {data.map((attempt) => (
              <Panel
                key={attempt.sequence}
                pad
                title={`Attempt ${attempt.attempt}`}
                tools={attempt.status && <StateChip state={attempt.status} />}
              >
                <Facts
                  items={[
                    ['Began', <Time key="began" at={attempt.started_at} />],
                    ['Ended', <Time key="ended" at={attempt.ended_at} none="under way" />],
                    ['Took', <Elapsed key="took" from={attempt.started_at} to={attempt.ended_at} />],
                    ['Ended by', attempt.outcome ?? '–'],
                    ['Executor', attempt.owner ?? '–'],
                    attempt.error_code !== null && ['Code', <code key="code">{attempt.error_code}</code>],
                  ]}
                />
                {attempt.error !== null && <pre className={styles.error}>{attempt.error}</pre>}
                {attempt.execution_trace && <Trace trace={attempt.execution_trace} />}
                {attempt.dispatch && <JsonTree value={attempt.dispatch} label="What was sent, and what came back" />}
              </Panel>
            ))}
          </div>
        )
      }
    </Answered>
  )
}

const PARTS = [
  ['queue_wait_ms', 'In the queue'],
  ['dequeue_ms', 'Until the request began'],
  ['connect_ms', 'Connecting'],
  ['ttfb_ms', 'Until the first byte'],
  ['transfer_ms', 'Transfer'],
  ['total_ms', 'In all'],
] as const

function Trace({ trace }: { trace: { [Part in (typeof PARTS)[number][0]]: number | null } }) {
  return (
    <Facts
      items={PARTS.map(([part, words]) => {
        const ms = trace[part]
        return ms !== null && [words, duration(ms)]
      })}
    />
  )
}
