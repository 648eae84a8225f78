// Why the run stands where it stands, in the API's sentence, and the one button that would move it.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { CircleHelp } from 'lucide-react'
import { useState } from 'react'
import type { Run, Why } from '#contract/runs/run.ts'
import { redriveRun, rescheduleRun, resumeJob, resumeRun, whyRun } from '../../api/calls.ts'
import { useKeys } from '../../frame/keys.ts'
import { useAct } from '../../parts/act.ts'
import { AnswerForm, type InputRequest } from '../../parts/answer/answer-form.tsx'
import { Button } from '../../parts/button.tsx'
import { RunLink } from '../../parts/id.tsx'
import { sentenceOf } from '../../parts/notes.tsx'
import { toneOf } from '../../parts/state-chip.tsx'
import { Countdown, Time } from '../../parts/time.tsx'
import styles from './run.module.css'
import { SendEvent } from './send-event.tsx'

type WhyLineProps = { run: Run; inputs: readonly InputRequest[] }

export function WhyLine({ run, inputs }: WhyLineProps) {
  const { data: why } = useQuery({
    queryKey: ['run', run.id, 'why', run.status],
    queryFn: ({ signal }) => whyRun({ run_id: run.id }, { signal }),
  })
  const [isAnswering, setAnswering] = useState(false)
  if (!why || (why.reason === 'over' && run.status === 'completed')) return null
  const pending = inputs.filter(({ status }) => status === 'pending')
  return (
    <section className={`${styles.why} ${styles[toneOf(run.status)]}`} aria-label="Why it stands here">
      <div>
        <CircleHelp size={18} aria-hidden="true" />
        <p className={styles.sentence}>
          <strong>{why.sentence}</strong>
          <span>
            Since <Time at={why.since} />
            {why.owner !== undefined && <> · {why.owner}</>}
            {why.until !== undefined && (
              <>
                {' · '}until <Time at={why.until} /> (<Countdown to={why.until} />)
              </>
            )}
          </span>
        </p>
        <Mover run={run} why={why} pending={pending} onAnswer={() => setAnswering(!isAnswering)} />
      </div>
      {isAnswering && pending.map((input) => <AnswerForm key={input.id} input={input} />)}
    </section>
  )
}

type MoverProps = { run: Run; why: Why; pending: readonly InputRequest[]; onAnswer: () => void }

function Mover({ run, why, pending, onAnswer }: MoverProps) {
  const { reason, details } = why
  const told = (name: string) => (typeof details[name] === 'string' ? details[name] : undefined)
  const agent = told('agent_id')
  const job = told('job')
  const child = told('child_run_id')
  const event = told('event_key')
  const texts = (name: string) =>
    Array.isArray(details[name]) ? details[name].filter((it) => typeof it === 'string') : []
  const events = texts('event_keys')
  const [run_id] = texts('run_ids')
  if (pending.length > 0) return <Moving verb="Answer" act={async () => onAnswer()} />
  if (event !== undefined) return <SendEvent eventKeys={[event]} note="Its payload becomes the latest checkpoint." />
  if (events.length > 0)
    return <SendEvent eventKeys={events} note="Its payload is handed to the run; its checkpoint stays as it is." />
  if (run_id !== undefined) return <RunLink id={run_id}>Open the run that it waits for</RunLink>
  if (child !== undefined) return <RunLink id={child}>Open the child</RunLink>
  if (reason === 'time' || reason === 'retry')
    return (
      <Moving verb="Start now" act={() => rescheduleRun({ run_id: run.id, scheduled_at: new Date().toISOString() })} />
    )
  if (reason === 'paused') return <Moving verb="Resume" act={() => resumeRun({ run_id: run.id })} />
  if (reason === 'dead_letter') return <Moving verb="Redrive" act={() => redriveRun({ run_id: run.id })} />
  if (reason === 'job_paused' && job !== undefined)
    return <Moving verb={`Resume the job ${job}`} act={() => resumeJob({ job })} />
  if (reason === 'agent_disabled' && agent !== undefined)
    return (
      <Link to="/agents/$agent_id" params={{ agent_id: agent }}>
        Open the agent
      </Link>
    )
  if (reason === 'concurrency' && run.job_slug !== null)
    return (
      <Link to="/runs" search={{ job: run.job_slug, status: 'executing,dequeued' }}>
        Runs that hold the slots
      </Link>
    )
  if (reason === 'turn' || reason === 'no_worker')
    return (
      <Link to="/runs" search={{ queue: run.queue, status: 'queued' }}>
        Open its queue
      </Link>
    )
  return null
}

type MovingProps = { verb: string; act: () => Promise<unknown> }

function Moving({ verb, act }: MovingProps) {
  const move = useAct(act, ['run', 'runs', 'stats', 'jobs'])
  useKeys({ '.': () => !move.isPending && move.mutate() })
  return (
    <>
      <Button look="main" hint="." disabled={move.isPending} onClick={() => move.mutate()}>
        {verb}
      </Button>
      {move.error && (
        <span role="alert" className={styles.error}>
          {sentenceOf(move.error)}
        </span>
      )}
    </>
  )
}
