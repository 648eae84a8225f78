// What can always be done with a run, as far as its state and the person's scopes allow.
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { Run } from '#contract/runs/run.ts'
import { FAILURE_STATES, isFinal, isOver, type RunState } from '#core/run.ts'
import { cancelRun, debugRun, pauseRun, replayRun, restartRun, resumeRun } from '../../api/calls.ts'
import { useMay } from '../../api/session.ts'
import { type Keys, useKeys } from '../../frame/keys.ts'
import { useAct } from '../../parts/act.ts'
import { Button } from '../../parts/button.tsx'
import { Confirm } from '../../parts/confirm.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { sentenceOf } from '../../parts/notes.tsx'
import { ReplayForm } from './replay-form.tsx'
import styles from './run.module.css'

const RESTARTABLE: readonly RunState[] = ['executing', 'paused']
const TOUCHED = ['run', 'runs', 'stats']

export function RunActions({ run }: { run: Run }) {
  const may = useMay()
  const navigate = useNavigate()
  const [asked, setAsked] = useState<'cancel' | 'restart' | 'replay' | undefined>()
  const hold = useAct(
    () => (run.status === 'paused' ? resumeRun({ run_id: run.id }) : pauseRun({ run_id: run.id })),
    TOUCHED,
  )
  const replay = useAct(() => replayRun({ run_id: run.id }), TOUCHED)
  const debug = useAct(() => debugRun({ run_id: run.id, debug_mode: !run.debug_mode }), TOUCHED)
  const cancel = useAct(
    (reason: string | undefined) => cancelRun({ run_id: run.id, ...(reason && { reason }) }),
    TOUCHED,
  )
  const restart = useAct(() => restartRun({ run_id: run.id }), TOUCHED)
  const write = may('runs:write')
  const can = {
    hold: write && run.execution !== 'external' && (run.status === 'executing' || run.status === 'paused'),
    replay: write && (isFinal(run.status) || FAILURE_STATES.includes(run.status)),
    cancel: write && (!isOver(run.status) || run.status === 'dead_letter'),
    restart: write && run.execution !== 'external' && RESTARTABLE.includes(run.status),
  }
  const goReplay = () =>
    replay.mutate(undefined, {
      onSuccess: ({ id }) => void navigate({ to: '/runs/$run_id', params: { run_id: id } }),
    })
  const keys: Keys = {
    ...(can.hold && { p: () => hold.mutate() }),
    ...(can.replay && { r: goReplay, 'Shift+r': () => setAsked('replay') }),
    ...(can.cancel && { c: () => setAsked('cancel') }),
    ...(write && { d: () => debug.mutate() }),
  }
  useKeys(keys)
  const error = hold.error ?? replay.error ?? debug.error
  const isDead = run.status === 'dead_letter'
  return (
    <div className={styles.actions}>
      {error && (
        <span role="alert" className={styles.error}>
          {sentenceOf(error)}
        </span>
      )}
      {can.hold && (
        <Button hint="p" disabled={hold.isPending} onClick={() => hold.mutate()}>
          {run.status === 'paused' ? 'Resume' : 'Pause'}
        </Button>
      )}
      {can.replay && (
        <Button hint="r" disabled={replay.isPending} onClick={goReplay}>
          Replay
        </Button>
      )}
      {can.replay && <Button onClick={() => setAsked('replay')}>Replay with changes …</Button>}
      {can.restart && <Button onClick={() => setAsked('restart')}>Restart …</Button>}
      {write && (
        <Button hint="d" aria-pressed={run.debug_mode} disabled={debug.isPending} onClick={() => debug.mutate()}>
          {run.debug_mode ? 'Debug off' : 'Debug'}
        </Button>
      )}
      {run.job_slug !== null && may('jobs:read') && (
        <Link to="/jobs/$job" params={{ job: run.job_slug }} className={styles.muted}>
          Job
        </Link>
      )}
      {can.cancel && (
        <Button look="danger" hint="c" onClick={() => setAsked('cancel')}>
          {isDead ? 'Dismiss …' : 'Cancel …'}
        </Button>
      )}
      <Dialog open={asked === 'replay'} onClose={() => setAsked(undefined)} title="Replay with changes" wide>
        <ReplayForm run={run} onClose={() => setAsked(undefined)} />
      </Dialog>
      <Confirm
        open={asked === 'cancel'}
        onClose={() => setAsked(undefined)}
        title={isDead ? 'Dismiss this dead letter' : 'Cancel this run'}
        verb={isDead ? 'Dismiss' : 'Cancel the run'}
        isDanger
        asksReason
        act={cancel.mutateAsync}
      >
        {isDead
          ? 'It becomes failed, keeps its error, and cannot be redriven any more.'
          : 'Its attempt is told to stop, and its children that are not detached are canceled too.'}
      </Confirm>
      <Confirm
        open={asked === 'restart'}
        onClose={() => setAsked(undefined)}
        title="Restart this run from the beginning"
        verb="Restart"
        act={() => restart.mutateAsync()}
      >
        The attempt in progress loses its lease, and checkpoints are not used.
      </Confirm>
    </div>
  )
}
