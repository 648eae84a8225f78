// A look at a run without leaving the list: why it stands where it stands, what it was given and gave, and what happened
// to it last. j and k look at the runs beside it, and the space bar closes it again.
import { useQuery } from '@tanstack/react-query'
import type { Run } from '#contract/runs/run.ts'
import { getRun, listEvents, whyRun } from '../../api/calls.ts'
import { useMay } from '../../api/session.ts'
import { useKeys } from '../../frame/keys.ts'
import { Answered } from '../../parts/answered.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { ActorName, Id, RunLink } from '../../parts/id.tsx'
import { JsonTree } from '../../parts/json-tree.tsx'
import { Facts } from '../../parts/panel.tsx'
import { StateChip } from '../../parts/state-chip.tsx'
import { Elapsed, Time } from '../../parts/time.tsx'
import styles from './peek.module.css'

export type PeekProps = {
  open: boolean
  runId: string | undefined
  rows: readonly Run[]
  onPeek: (id: string) => void
  onClose: () => void
}

const EVENTS_SHOWN = 8

export function Peek({ open, runId, rows, onPeek, onClose }: PeekProps) {
  const at = rows.findIndex(({ id }) => id === runId)
  const run = rows[at]
  const step = (by: number) => {
    const next = rows[at + by]
    if (next) onPeek(next.id)
  }
  return (
    // A run that leaves the list while somebody looks at it takes the look with it.
    <Dialog open={open && run !== undefined} onClose={onClose} title={run?.job_slug ?? 'External run'} wide>
      {run && <Peeked key={run.id} run={run} step={step} onClose={onClose} />}
    </Dialog>
  )
}

type PeekedProps = { run: Run; step: (by: number) => void; onClose: () => void }

function Peeked({ run, step, onClose }: PeekedProps) {
  const may = useMay()
  useKeys({ j: () => step(1), k: () => step(-1), Space: onClose }, { inDialog: true })
  const why = useQuery({
    queryKey: ['run', run.id, 'why', run.status],
    queryFn: ({ signal }) => whyRun({ run_id: run.id }, { signal }),
  })
  return (
    <>
      <p className={styles.head}>
        <StateChip state={run.status} /> <Id id={run.id} what="run" /> <RunLink id={run.id}>Open</RunLink>
      </p>
      <Answered query={why} what="Why it stands here">
        {({ sentence }) => <p>{sentence}</p>}
      </Answered>
      <Facts
        items={[
          ['Attempt', `${run.attempt} of ${run.max_attempts}`],
          ['Queue', run.queue],
          run.agent_id !== null && ['Agent', run.agent_id],
          ['Triggered', <Triggered key="triggered" run={run} />],
          run.started_at !== null && ['Took', <Elapsed key="took" from={run.created_at} to={run.finished_at} />],
          run.error !== null && ['Error', run.error],
        ]}
      />
      <Bodies run={run} />
      {may('events:read') && <Latest runId={run.id} />}
    </>
  )
}

const Triggered = ({ run: { created_at, created_by } }: { run: Run }) => (
  <>
    <Time at={created_at} /> by <ActorName {...created_by} />
  </>
)

function Bodies({ run }: { run: Run }) {
  const query = useQuery({
    queryKey: ['run', run.id, 'bodies', run.status],
    queryFn: ({ signal }) => getRun({ run_id: run.id, include: ['payload', 'result'] }, { signal }),
  })
  return (
    <Answered query={query} what="Payload and result">
      {({ payload, result, payload_gone, status }) =>
        payload_gone ? (
          <p className={styles.muted}>Its payload and result are no longer kept.</p>
        ) : (
          <div className={styles.bodies}>
            <JsonTree value={payload ?? null} label="Payload" />
            {status === 'completed' && <JsonTree value={result ?? null} label="Result" />}
          </div>
        )
      }
    </Answered>
  )
}

function Latest({ runId }: { runId: string }) {
  const query = useQuery({
    queryKey: ['run', runId, 'latest'],
    queryFn: ({ signal }) => listEvents({ run_id: runId, limit: EVENTS_SHOWN }, { signal }),
  })
  return (
    <Answered query={query} what="Its latest events">
      {({ data }) => (
        <section aria-label="Latest events">
          <h3>Latest events</h3>
          <ol className={styles.events}>
            {data.map((event) => (
              <li key={event.id ?? event.position}>
                <Time at={event.recorded_at} /> <code>{event.type}</code>{' '}
                {[event.step, event.tool].filter((it) => it !== null).join(' · ')} {event.message}
              </li>
            ))}
          </ol>
        </section>
      )}
    </Answered>
  )
}
