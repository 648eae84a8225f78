// The seals of the log: the newest, and a verification that goes on until the end or the first thing that is wrong.
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { getSealHead, verifyEvents } from '../../api/calls.ts'
import { count } from '../../look/words.ts'
import { Answered } from '../../parts/answered.tsx'
import { Button } from '../../parts/button.tsx'
import { Snippet } from '../../parts/copy.tsx'
import { Empty, sentenceOf } from '../../parts/notes.tsx'
import { Facts, Panel } from '../../parts/panel.tsx'
import { Time } from '../../parts/time.tsx'
import styles from './settings.module.css'

type Verification = Awaited<ReturnType<typeof verifyEvents>>
type Progress = { windows: number; events: number; last: Verification; isOver: boolean }

/** One call looks for ten seconds at most, and answers after that. */
const CALL_MS_MAX = 60_000

export function Seals() {
  const head = useQuery({ queryKey: ['seals', 'head'], queryFn: ({ signal }) => getSealHead({}, { signal }) })
  const [progress, setProgress] = useState<Progress | undefined>()
  const [error, setError] = useState<unknown>()
  const [isBusy, setBusy] = useState(false)
  const verify = () => {
    setBusy(true)
    setError(undefined)
    verifyAll(setProgress)
      .catch(setError)
      .finally(() => setBusy(false))
  }
  return (
    <>
      <Panel title="The newest seal" pad>
        <Answered query={head} what="The newest seal">
          {({ seal }) =>
            seal === null ? (
              <Empty title="Nothing is sealed yet">The log is sealed a few seconds after something happened.</Empty>
            ) : (
              <>
                <p>
                  Keep it where nobody with access to the database can change it: it proves what was in the log until
                  then.
                </p>
                <Snippet label="Copy the seal" text={JSON.stringify(seal, undefined, 2)} />
              </>
            )
          }
        </Answered>
      </Panel>
      <Panel
        title="Verification"
        tools={
          <Button look="main" onClick={verify} disabled={isBusy}>
            {isBusy ? 'Verifying …' : 'Verify the log'}
          </Button>
        }
        pad
      >
        {error !== undefined && (
          <p role="alert" className={styles.error}>
            {sentenceOf(error)}
          </p>
        )}
        {progress ? <Verified progress={progress} /> : <p>All events are compared with what their seals say.</p>}
      </Panel>
    </>
  )
}

async function verifyAll(tell: (progress: Progress) => void): Promise<void> {
  let [windows, events] = [0, 0]
  let from: { from_seal?: number; expect?: string } = {}
  for (;;) {
    const last = await verifyEvents(from, { timeoutMs: CALL_MS_MAX })
    windows += last.windows
    events += last.events
    const isOver = last.first_problem !== null || last.next === null
    tell({ windows, events, last, isOver })
    if (isOver || last.next === null) return
    from = last.next
  }
}

function Verified({ progress: { windows, events, last, isOver } }: { progress: Progress }) {
  const problem = last.first_problem
  return (
    <div role="status">
      <p>
        <strong>
          {problem ? 'Something is wrong' : isOver ? 'Everything is as it was sealed' : 'Nothing is wrong so far'}
        </strong>
      </p>
      <Facts
        items={[
          ['Compared', `${count(events)} events in ${count(windows)} windows`],
          ['Until', <Time key="until" at={last.sealed_until} />],
          last.gone.windows > 0 && ['Deleted', `${count(last.gone.events)} events that retention has dropped`],
          problem !== null && [
            'Problem',
            <span key="problem" className={styles.error}>
              {problem.message}
            </span>,
          ],
        ]}
      />
    </div>
  )
}
