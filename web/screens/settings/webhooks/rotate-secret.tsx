import { useState } from 'react'
import { rotateWebhookSecret, type Webhook } from '../../../api/webhooks.ts'
import { useAct } from '../../../parts/act.ts'
import { Button } from '../../../parts/button.tsx'
import { DialogActions } from '../../../parts/dialog.tsx'
import { sentenceOf } from '../../../parts/notes.tsx'
import { ShownOnce } from '../../../parts/shown-once.tsx'
import styles from '../settings.module.css'

const GRACES = [
  [0, 'ends at once'],
  [3_600, 'signs too for an hour'],
  [86_400, 'signs too for a day'],
  [604_800, 'signs too for a week'],
] as const

export function RotateSecret({ webhook, onClose }: { webhook: Webhook; onClose: () => void }) {
  const [graceSecs, setGraceSecs] = useState(86_400)
  const rotate = useAct(() => rotateWebhookSecret({ webhook_id: webhook.id, grace_secs: graceSecs }), ['webhooks'])
  if (rotate.data) return <ShownOnce what="signing secret" text={rotate.data.signing_secret} onClose={onClose} />
  return (
    <>
      <p>Requests are signed with a new secret from now on.</p>
      <label className={styles.field}>
        The secret until now
        <select value={graceSecs} onChange={({ target }) => setGraceSecs(Number(target.value))}>
          {GRACES.map(([secs, words]) => (
            <option key={secs} value={secs}>
              {words}
            </option>
          ))}
        </select>
      </label>
      {rotate.error && (
        <p role="alert" className={styles.error}>
          {sentenceOf(rotate.error)}
        </p>
      )}
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
        <Button look="main" disabled={rotate.isPending} onClick={() => rotate.mutate()}>
          Rotate
        </Button>
      </DialogActions>
    </>
  )
}
