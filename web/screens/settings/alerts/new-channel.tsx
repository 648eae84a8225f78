import { type FormEvent, useState } from 'react'
import { type Channel, createChannel } from '../../../api/alerts.ts'
import { useMay } from '../../../api/session.ts'
import { useAct } from '../../../parts/act.ts'
import { Button } from '../../../parts/button.tsx'
import { DialogActions } from '../../../parts/dialog.tsx'
import { LinesField } from '../../../parts/lines-field.tsx'
import { sentenceOf } from '../../../parts/notes.tsx'
import { ShownOnce } from '../../../parts/shown-once.tsx'
import styles from '../settings.module.css'

type Kind = Channel['kind']
const KINDS: readonly (readonly [Kind, string])[] = [
  ['slack', 'Slack, Mattermost or Rocket.Chat: an incoming webhook'],
  ['email', 'Mail, through the server of the operator'],
  ['webhook', 'Webhook: a signed CloudEvent'],
]

export function NewChannel({ onClose }: { onClose: () => void }) {
  const may = useMay()
  const [name, setName] = useState('')
  const [kind, setKind] = useState<Kind>('slack')
  const [url, setUrl] = useState('')
  const [recipients, setRecipients] = useState<string[]>([])
  const [questions, setQuestions] = useState(false)
  const make = useAct(createChannel, ['alert channels'])
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const target = kind === 'email' ? { recipients } : { url: url.trim() }
    make.mutate(
      { name: name.trim(), kind, ...target, questions },
      { onSuccess: ({ signing_secret }) => signing_secret === null && onClose() },
    )
  }
  if (make.data && make.data.signing_secret !== null)
    return (
      <ShownOnce
        what="signing secret"
        text={make.data.signing_secret}
        note="The receiver verifies the signatures of requests with it."
        onClose={onClose}
      />
    )
  return (
    <form className={styles.stack} onSubmit={submit}>
      <label className={styles.field}>
        Name
        <input value={name} required maxLength={128} onChange={({ target }) => setName(target.value)} />
      </label>
      <label className={styles.field}>
        Kind
        <select
          value={kind}
          onChange={({ target }) => setKind(KINDS.find(([it]) => it === target.value)?.[0] ?? 'slack')}
        >
          {KINDS.map(([it, words]) => (
            <option key={it} value={it}>
              {words}
            </option>
          ))}
        </select>
      </label>
      {kind === 'email' ? (
        <div className={styles.field}>
          <LinesField label="Addresses, one per line" lines={recipients} onChange={setRecipients} />
        </div>
      ) : (
        <label className={styles.field}>
          URL
          <input type="url" value={url} required maxLength={2048} onChange={({ target }) => setUrl(target.value)} />
        </label>
      )}
      {may('inputs:answer') && (
        <label className={styles.choice}>
          <input type="checkbox" checked={questions} onChange={({ target }) => setQuestions(target.checked)} />
          Send questions to people here too, with a link by which anyone who can read it answers
        </label>
      )}
      {make.error && (
        <p role="alert" className={styles.error}>
          {sentenceOf(make.error)}
        </p>
      )}
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
        <Button look="main" type="submit" disabled={make.isPending}>
          Create
        </Button>
      </DialogActions>
    </form>
  )
}
