// A replay with another payload and other settings. What is not changed stays as the original has it.
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { Run } from '#contract/runs/run.ts'
import { getJob, getRun, replayRun } from '../../api/calls.ts'
import { jsonText } from '../../api/json.ts'
import { useMay } from '../../api/session.ts'
import { useAct } from '../../parts/act.ts'
import { Button } from '../../parts/button.tsx'
import { DialogActions } from '../../parts/dialog.tsx'
import { Failure, Loading, sentenceOf } from '../../parts/notes.tsx'
import { SchemaForm } from '../../parts/schema-form.tsx'
import styles from './run.module.css'

const TOUCHED = ['run', 'runs', 'stats']

type ReplayFormProps = { run: Run; onClose: () => void }

export function ReplayForm({ run, onClose }: ReplayFormProps) {
  const may = useMay()
  const body = useQuery({
    queryKey: ['run', run.id, 'payload'],
    queryFn: ({ signal }) => getRun({ run_id: run.id, include: ['payload'] }, { signal }),
  })
  const job = useQuery({
    queryKey: ['job', run.job_slug],
    queryFn: ({ signal }) => getJob({ job: run.job_slug ?? '' }, { signal }),
    enabled: run.job_slug !== null && may('jobs:read'),
    retry: false,
  })
  if (body.error) return <Failure error={body.error} what="The payload" onRetry={() => void body.refetch()} />
  // Without the schema, because the job is gone or not to be read, the payload is written as JSON.
  if (!body.data || job.isLoading) return <Loading what="the payload" />
  return <Form run={body.data} schema={job.data?.payload_schema} onClose={onClose} />
}

const SETTINGS = [
  { name: 'priority', label: 'Priority', of: (run: Run) => run.priority },
  { name: 'max_attempts', label: 'Attempts at most', of: (run: Run) => run.max_attempts },
  { name: 'timeout_secs', label: 'Timeout (s)', of: (run: Run) => run.timeout_secs },
  { name: 'delay_secs', label: 'Begin after (s)', of: () => 0 },
] as const

type FormProps = ReplayFormProps & { schema: Record<string, unknown> | null | undefined }

function Form({ run, schema, onClose }: FormProps) {
  const navigate = useNavigate()
  const [payload, setPayload] = useState<unknown>(run.payload)
  const [problem, setProblem] = useState<string | undefined>()
  const [settings, setSettings] = useState<Readonly<Record<string, string>>>({})
  const [debug, setDebug] = useState(run.debug_mode)
  const isEdited = payload !== undefined && jsonText(payload) !== jsonText(run.payload)
  const changed = SETTINGS.filter(({ name, of }) => {
    const text = settings[name]
    return text !== undefined && text.trim() !== '' && text.trim() !== String(of(run))
  })
  const replay = useAct(
    () =>
      replayRun({
        run_id: run.id,
        ...(isEdited && { payload }),
        ...Object.fromEntries(changed.map(({ name }) => [name, Number(settings[name])])),
        ...(debug !== run.debug_mode && { debug_mode: debug }),
      }),
    TOUCHED,
  )
  const go = () =>
    replay.mutate(undefined, {
      onSuccess: ({ id }) => {
        onClose()
        void navigate({ to: '/runs/$run_id', params: { run_id: id } })
      },
    })
  const words = [
    isEdited && 'the payload',
    ...changed.map(({ label }) => label.toLowerCase()),
    debug !== run.debug_mode && 'debug mode',
  ].filter(Boolean)
  return (
    <>
      <SchemaForm
        label="Payload"
        schema={schema}
        value={payload}
        onChange={(value, wrong) => {
          setPayload(value)
          setProblem(wrong)
        }}
      />
      <div className={styles.settings}>
        {SETTINGS.map(({ name, label, of }) => (
          <label key={name}>
            {label}
            <input
              inputMode="numeric"
              value={settings[name] ?? String(of(run))}
              onChange={({ target }) => setSettings({ ...settings, [name]: target.value })}
            />
          </label>
        ))}
        <label className={styles.check}>
          <input type="checkbox" checked={debug} onChange={({ target }) => setDebug(target.checked)} />
          Debug mode
        </label>
      </div>
      <p className={styles.muted}>{words.length === 0 ? 'Nothing is changed.' : `Changes ${words.join(', ')}.`}</p>
      {replay.error && (
        <p role="alert" className={styles.error}>
          {sentenceOf(replay.error)}
        </p>
      )}
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
        <Button look="main" disabled={problem !== undefined || replay.isPending} onClick={go}>
          Replay
        </Button>
      </DialogActions>
    </>
  )
}
