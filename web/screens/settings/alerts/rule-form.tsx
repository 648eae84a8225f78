// The settings of a rule as a form: only those that its kind takes.
import { type FormEvent, useState } from 'react'
import { ALERT_KINDS, ALERT_UNITS, type AlertKind, settingsOf, wholeSettings } from '#core/alert.ts'
import type { Channel, Rule } from '../../../api/alerts.ts'
import { Button } from '../../../parts/button.tsx'
import { DialogActions } from '../../../parts/dialog.tsx'
import { sentenceOf } from '../../../parts/notes.tsx'
import styles from '../settings.module.css'
import { KIND_WORDS } from './kinds.ts'

export type RuleDraft = Pick<
  Rule,
  | 'name'
  | 'kind'
  | 'threshold'
  | 'window_secs'
  | 'min_runs'
  | 'past_days'
  | 'job'
  | 'queue'
  | 'agent'
  | 'channel_ids'
  | 'repeat_mins'
  | 'enabled'
>

const SETTINGS = [
  ['threshold', 'threshold'],
  ['window_secs', 'windowSecs'],
  ['min_runs', 'minRuns'],
  ['past_days', 'pastDays'],
  ['job', 'job'],
  ['queue', 'queue'],
  ['agent', 'agent'],
] as const
const COMMON = ['name', 'channel_ids', 'repeat_mins', 'enabled'] as const

export const draftOf = ({ id: _, ...rule }: Rule): RuleDraft => rule

const freshDraft = (kind: AlertKind): Omit<RuleDraft, 'name' | 'channel_ids' | 'repeat_mins' | 'enabled'> => {
  const { threshold, windowSecs, minRuns, pastDays } = wholeSettings(kind, {})
  const numbers = { threshold, window_secs: windowSecs, min_runs: minRuns, past_days: pastDays }
  return { kind, ...numbers, job: null, queue: null, agent: null }
}

const takenBy = (kind: AlertKind) => [
  ...COMMON,
  ...SETTINGS.filter(([, setting]) => settingsOf(kind).includes(setting)).map(([name]) => name),
]

/** A new rule with the fields that its kind takes; it has no job, rather than null for one. */
export const newRuleOf = (draft: RuleDraft) => ({
  ...Object.fromEntries(
    takenBy(draft.kind)
      .filter((name) => name === 'repeat_mins' || draft[name] !== null)
      .map((name) => [name, draft[name]]),
  ),
  name: draft.name,
  kind: draft.kind,
})

/** The fields that were changed, so that what somebody else changed meanwhile stays. */
export const changeOf = (draft: RuleDraft, before: RuleDraft): Partial<Omit<RuleDraft, 'kind'>> =>
  Object.fromEntries(
    takenBy(draft.kind)
      .filter((name) => JSON.stringify(draft[name]) !== JSON.stringify(before[name]))
      .map((name) => [name, draft[name]]),
  )

type RuleFormProps = {
  channels: readonly Channel[]
  draft?: RuleDraft
  isKindFixed?: boolean
  verb: string
  onSubmit: (draft: RuleDraft) => Promise<unknown>
  onClose: () => void
}

const EMPTY: RuleDraft = { name: '', channel_ids: [], repeat_mins: 240, enabled: true, ...freshDraft('dead_letters') }

export function RuleForm({
  channels,
  draft: first = EMPTY,
  isKindFixed = false,
  verb,
  onSubmit,
  onClose,
}: RuleFormProps) {
  const [draft, setDraft] = useState(first)
  const [error, setError] = useState<unknown>()
  const [isBusy, setBusy] = useState(false)
  const set = (change: Partial<RuleDraft>) => setDraft((before) => ({ ...before, ...change }))
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
        <input value={draft.name} required maxLength={128} onChange={({ target }) => set({ name: target.value })} />
      </label>
      <label className={styles.field}>
        What it counts
        <select
          value={draft.kind}
          disabled={isKindFixed}
          onChange={({ target }) => set(freshDraft(ALERT_KINDS.find((it) => it === target.value) ?? draft.kind))}
        >
          {ALERT_KINDS.map((kind) => (
            <option key={kind} value={kind}>
              {KIND_WORDS[kind]}
            </option>
          ))}
        </select>
      </label>
      <Settings draft={draft} set={set} />
      <Telling channels={channels} draft={draft} set={set} />
      <label className={styles.choice}>
        <input type="checkbox" checked={draft.enabled} onChange={({ target }) => set({ enabled: target.checked })} />
        On
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

type PartProps = { draft: RuleDraft; set: (change: Partial<RuleDraft>) => void }

const THINGS = [
  ['job', 'Job (empty: all)'],
  ['queue', 'Queue (empty: all)'],
  ['agent', 'Agent (empty: all)'],
] as const

function Settings({ draft, set }: PartProps) {
  const known = settingsOf(draft.kind)
  return (
    <>
      {known.includes('threshold') && (
        <label className={styles.field}>
          It is too much from, in {ALERT_UNITS[draft.kind]}
          <input
            type="number"
            min={0}
            step="any"
            required
            value={draft.threshold}
            onChange={({ target }) => set({ threshold: Number(target.value) })}
          />
        </label>
      )}
      {known.includes('windowSecs') && (
        <label className={styles.field}>
          Counted over the last seconds
          <input
            type="number"
            min={60}
            max={86_400}
            required
            value={draft.window_secs}
            onChange={({ target }) => set({ window_secs: Number(target.value) })}
          />
        </label>
      )}
      {known.includes('minRuns') && (
        <label className={styles.field}>
          Fewer ended runs than this say nothing
          <input
            type="number"
            min={1}
            max={100_000}
            required
            value={draft.min_runs}
            onChange={({ target }) => set({ min_runs: Number(target.value) })}
          />
        </label>
      )}
      {known.includes('pastDays') && (
        <label className={styles.field}>
          Compared with the days before
          <input
            type="number"
            min={1}
            max={30}
            required
            value={draft.past_days}
            onChange={({ target }) => set({ past_days: Number(target.value) })}
          />
        </label>
      )}
      {THINGS.filter(([name]) => known.includes(name)).map(([name, words]) => (
        <label key={name} className={styles.field}>
          {words}
          <input
            value={draft[name] ?? ''}
            onChange={({ target }) => set({ [name]: target.value === '' ? null : target.value })}
          />
        </label>
      ))}
    </>
  )
}

function Telling({ channels, draft, set }: PartProps & { channels: readonly Channel[] }) {
  const { channel_ids, repeat_mins } = draft
  const toggle = (id: string) =>
    set({ channel_ids: channel_ids.includes(id) ? channel_ids.filter((it) => it !== id) : [...channel_ids, id] })
  return (
    <fieldset className={styles.fieldset}>
      <legend>Who is told</legend>
      {channels.length === 0 && <p>There is no channel yet: alerts are only listed and logged.</p>}
      {channels.map(({ id, name, kind }) => (
        <label key={id} className={styles.choice}>
          <input type="checkbox" checked={channel_ids.includes(id)} onChange={() => toggle(id)} />
          {name} ({kind})
        </label>
      ))}
      <label className={styles.field}>
        Again while it holds, after minutes (empty: only once)
        <input
          type="number"
          min={1}
          max={10_080}
          value={repeat_mins ?? ''}
          onChange={({ target }) => set({ repeat_mins: target.value === '' ? null : Number(target.value) })}
        />
      </label>
    </fieldset>
  )
}
