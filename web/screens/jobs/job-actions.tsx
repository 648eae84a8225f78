// Trigger by a form from the payload schema, pause and resume, and edit as JSON, which makes a version.
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { Job, JobPatch } from '#contract/job.ts'
import { pauseJob, resumeJob, triggerRun, updateJob } from '../../api/calls.ts'
import { useMay } from '../../api/session.ts'
import { useAct } from '../../parts/act.ts'
import { Button } from '../../parts/button.tsx'
import { Confirm } from '../../parts/confirm.tsx'
import { Dialog, DialogActions } from '../../parts/dialog.tsx'
import { sentenceOf } from '../../parts/notes.tsx'
import { JsonField, SchemaForm } from '../../parts/schema-form.tsx'
import styles from './jobs.module.css'

const TOUCHED = ['job', 'jobs', 'runs', 'stats']

export function JobActions({ job }: { job: Job }) {
  const may = useMay()
  const [asked, setAsked] = useState<'trigger' | 'pause' | 'edit' | undefined>()
  const pause = useAct((reason: string | undefined) => pauseJob({ job: job.slug, ...(reason && { reason }) }), TOUCHED)
  const resume = useAct(() => resumeJob({ job: job.slug }), TOUCHED)
  const close = () => setAsked(undefined)
  return (
    <div className={styles.actions}>
      {resume.error && <span role="alert">{sentenceOf(resume.error)}</span>}
      {may('runs:trigger') && job.execution !== 'external' && (
        <Button look="main" onClick={() => setAsked('trigger')}>
          Trigger …
        </Button>
      )}
      {may('jobs:write') && (
        <>
          {job.paused_at === null ? (
            <Button onClick={() => setAsked('pause')}>Pause …</Button>
          ) : (
            <Button onClick={() => resume.mutate()} disabled={resume.isPending}>
              Resume
            </Button>
          )}
          <Button onClick={() => setAsked('edit')}>Edit …</Button>
        </>
      )}
      <Confirm
        open={asked === 'pause'}
        onClose={close}
        title={`Pause ${job.slug}`}
        verb="Pause"
        asksReason
        act={pause.mutateAsync}
      >
        No more of its runs start; those executing continue.{' '}
        {job.when_paused === 'hold' ? 'New runs wait.' : 'New runs are refused.'}
      </Confirm>
      <Dialog open={asked === 'trigger'} onClose={close} title={`Trigger ${job.slug}`} wide>
        <Trigger job={job} onClose={close} />
      </Dialog>
      <Dialog open={asked === 'edit'} onClose={close} title={`Edit ${job.slug}: a new version`} wide>
        <Edit job={job} onClose={close} />
      </Dialog>
    </div>
  )
}

type DialogBody = { job: Job; onClose: () => void }

/** The first example of the schema, or what cron sends. */
const firstPayload = ({ payload_schema, cron_payload }: Job): unknown => {
  const examples = payload_schema?.examples
  return Array.isArray(examples) ? examples[0] : (cron_payload ?? undefined)
}

function Trigger({ job, onClose }: DialogBody) {
  const navigate = useNavigate()
  const [payload, setPayload] = useState<unknown>(() => firstPayload(job))
  const [problem, setProblem] = useState<string | undefined>()
  const [delay, setDelay] = useState('')
  const trigger = useAct(
    () =>
      triggerRun({
        job: job.slug,
        ...(payload !== undefined && { payload }),
        ...(delay !== '' && { delay_secs: Number(delay) }),
      }),
    TOUCHED,
  )
  const go = () =>
    trigger.mutate(undefined, {
      onSuccess: ({ id }) => {
        onClose()
        void navigate({ to: '/runs/$run_id', params: { run_id: id } })
      },
    })
  return (
    <>
      <SchemaForm
        label="Payload"
        schema={job.payload_schema}
        value={payload}
        onChange={(value, wrong) => {
          setPayload(value)
          setProblem(wrong)
        }}
      />
      <label className={styles.field}>
        Begin after seconds (empty: now)
        <input inputMode="decimal" value={delay} onChange={({ target }) => setDelay(target.value)} />
      </label>
      {trigger.error && (
        <p role="alert" className={styles.error}>
          {sentenceOf(trigger.error)}
        </p>
      )}
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
        <Button look="main" disabled={problem !== undefined || trigger.isPending} onClick={go}>
          Trigger
        </Button>
      </DialogActions>
    </>
  )
}

const READ_ONLY: ReadonlySet<string> = new Set([
  'id',
  'project_id',
  'version',
  'version_id',
  'paused_at',
  'pause_reason',
  'next_cron_at',
  'created_at',
  'updated_at',
  // Secrets in them are masked in what is read, and must not be written back.
  'endpoint_headers',
])

function Edit({ job, onClose }: DialogBody) {
  const before = Object.fromEntries(Object.entries(job).filter(([field]) => !READ_ONLY.has(field)))
  const [draft, setDraft] = useState<unknown>(before)
  const [problem, setProblem] = useState<string | undefined>()
  const changes = changedIn(before, draft)
  const save = useAct(() => updateJob({ job: job.slug, ...changes }), TOUCHED)
  const names = Object.keys(changes)
  return (
    <>
      <JsonField
        label="Settings (JSON); what you take out stays as it is"
        rows={18}
        value={before}
        onChange={(value, wrong) => {
          setDraft(value)
          setProblem(wrong)
        }}
      />
      <p className={styles.muted}>{names.length === 0 ? 'Nothing is changed.' : `Changes ${names.join(', ')}.`}</p>
      {save.error && (
        <p role="alert" className={styles.error}>
          {sentenceOf(save.error)}
        </p>
      )}
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
        <Button
          look="main"
          disabled={problem !== undefined || names.length === 0 || save.isPending}
          onClick={() => save.mutate(undefined, { onSuccess: onClose })}
        >
          Save as v{job.version + 1}
        </Button>
      </DialogActions>
    </>
  )
}

function changedIn(before: Record<string, unknown>, draft: unknown): JobPatch {
  if (typeof draft !== 'object' || draft === null) return {}
  const was = new Map(Object.entries(before))
  return Object.fromEntries(
    Object.entries(draft).filter(([field, value]) => JSON.stringify(value) !== JSON.stringify(was.get(field))),
  )
}
