// Sends again everything from an event, or from a time on.
import { type FormEvent, useState } from 'react'
import { replayWebhook } from '../../../api/webhooks.ts'
import { zoneName } from '../../../look/times.ts'
import { useAct } from '../../../parts/act.ts'
import { Button } from '../../../parts/button.tsx'
import { DialogActions } from '../../../parts/dialog.tsx'
import { sentenceOf } from '../../../parts/notes.tsx'
import styles from '../settings.module.css'

type ReplayWebhookProps = { webhookId: string; fromEventId?: string; onClose: () => void }

export function ReplayWebhook({ webhookId, fromEventId = '', onClose }: ReplayWebhookProps) {
  const [from, setFrom] = useState<'event' | 'time'>(fromEventId === '' ? 'time' : 'event')
  const [eventId, setEventId] = useState(fromEventId)
  const [since, setSince] = useState('')
  const replay = useAct(replayWebhook, ['webhooks', 'deliveries'])
  const submit = (event: FormEvent) => {
    event.preventDefault()
    replay.mutate({
      webhook_id: webhookId,
      ...(from === 'event' ? { from_event_id: eventId.trim() } : { since: new Date(since).toISOString() }),
    })
  }
  if (replay.data)
    return (
      <>
        <p role="status">
          It goes on from position {replay.data.position}
          {replay.data.status === 'active' ? '.' : ' once it is resumed.'}
        </p>
        <DialogActions>
          <Button look="main" onClick={onClose}>
            Done
          </Button>
        </DialogActions>
      </>
    )
  return (
    <form className={styles.stack} onSubmit={submit}>
      <p>
        Everything that matches is sent again from there on, in order and with the same ids, up to what is new. Events
        that retention has deleted are not sent.
      </p>
      <label className={styles.choice}>
        <input type="radio" name="from" checked={from === 'time'} onChange={() => setFrom('time')} />
        From a time on, in {zoneName()}
      </label>
      {from === 'time' && (
        <input
          type="datetime-local"
          step={1}
          required
          aria-label="From"
          value={since}
          onChange={({ target }) => setSince(target.value)}
        />
      )}
      <label className={styles.choice}>
        <input type="radio" name="from" checked={from === 'event'} onChange={() => setFrom('event')} />
        From an event on
      </label>
      {from === 'event' && (
        <input
          aria-label="Id of the first event"
          required
          placeholder="Id of the first event"
          value={eventId}
          onChange={({ target }) => setEventId(target.value)}
        />
      )}
      {replay.error && (
        <p role="alert" className={styles.error}>
          {sentenceOf(replay.error)}
        </p>
      )}
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
        <Button look="main" type="submit" disabled={replay.isPending}>
          Replay
        </Button>
      </DialogActions>
    </form>
  )
}
