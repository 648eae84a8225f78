// The settings of a webhook as a form, for a new one and for one that exists.
import { type FormEvent, useState } from 'react'
import { RUN_STATES } from '#core/run.ts'
import type { createWebhook } from '../../../api/webhooks.ts'
import { stateWord } from '../../../look/words.ts'
import { Button } from '../../../parts/button.tsx'
import { DialogActions } from '../../../parts/dialog.tsx'
import { LinesField } from '../../../parts/lines-field.tsx'
import { sentenceOf } from '../../../parts/notes.tsx'
import styles from '../settings.module.css'
import { tagLines, tagsOf } from './filter-words.ts'

export type WebhookDraft = Required<Parameters<typeof createWebhook>[0]>

const EMPTY: WebhookDraft = {
  name: '',
  url: '',
  types: [],
  jobs: [],
  agents: [],
  states: [],
  tags: {},
  disable_after_days: 5,
}

type WebhookFormProps = {
  draft?: WebhookDraft
  verb: string
  onSubmit: (draft: WebhookDraft) => Promise<unknown>
  onClose: () => void
}

export function WebhookForm({ draft: first = EMPTY, verb, onSubmit, onClose }: WebhookFormProps) {
  const [draft, setDraft] = useState(first)
  const [error, setError] = useState<unknown>()
  const [isBusy, setBusy] = useState(false)
  const set = (change: Partial<WebhookDraft>) => setDraft((before) => ({ ...before, ...change }))
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setError(undefined)
    onSubmit(draft)
      .catch(setError)
      .finally(() => setBusy(false))
  }
  return (
    <form className={styles.stack} onSubmit={submit}>
      <label className={styles.field}>
        Name
        <input value={draft.name} maxLength={128} onChange={({ target }) => set({ name: target.value })} />
      </label>
      <label className={styles.field}>
        URL that receives the events by POST
        <input
          value={draft.url}
          type="url"
          required
          maxLength={2048}
          onChange={({ target }) => set({ url: target.value })}
        />
      </label>
      <Conditions draft={draft} set={set} />
      <label className={styles.field}>
        Disable it after this many days without a successful delivery
        <input
          type="number"
          min={1}
          max={30}
          required
          value={draft.disable_after_days}
          onChange={({ target }) => set({ disable_after_days: Number(target.value) })}
        />
      </label>
      {error !== undefined && (
        <p role="alert" className={styles.error}>
          {sentenceOf(error)}
        </p>
      )}
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
        <Button look="main" type="submit" disabled={isBusy}>
          {verb}
        </Button>
      </DialogActions>
    </form>
  )
}

type ConditionsProps = { draft: WebhookDraft; set: (change: Partial<WebhookDraft>) => void }

function Conditions({ draft, set }: ConditionsProps) {
  const toggle = (state: WebhookDraft['states'][number]) =>
    set({
      states: draft.states.includes(state) ? draft.states.filter((it) => it !== state) : [...draft.states, state],
    })
  return (
    <fieldset className={styles.fieldset}>
      <legend>Which events: all of these must hold; an empty one matches every event</legend>
      <div className={styles.columns}>
        <LinesField
          label="Types, one per line"
          placeholder="run.*"
          lines={draft.types}
          onChange={(types) => set({ types })}
        />
        <LinesField label="Jobs, one per line" lines={draft.jobs} onChange={(jobs) => set({ jobs })} />
        <LinesField label="Agents, one per line" lines={draft.agents} onChange={(agents) => set({ agents })} />
        <LinesField
          label="Tags of the run, one per line"
          placeholder="customer=acme"
          lines={tagLines(draft.tags)}
          onChange={(lines) => set({ tags: tagsOf(lines) })}
        />
      </div>
      <fieldset className={styles.scopes}>
        <legend>States that a run enters by the event</legend>
        {RUN_STATES.map((state) => (
          <label key={state}>
            <input type="checkbox" checked={draft.states.includes(state)} onChange={() => toggle(state)} />
            {stateWord(state)}
          </label>
        ))}
      </fieldset>
    </fieldset>
  )
}
