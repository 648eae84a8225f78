// Sends one of the events that a run waits for.
import { useState } from 'react'
import { sendEvent } from '../../api/calls.ts'
import { useKeys } from '../../frame/keys.ts'
import { useAct } from '../../parts/act.ts'
import { Button } from '../../parts/button.tsx'
import { Dialog, DialogActions } from '../../parts/dialog.tsx'
import { sentenceOf } from '../../parts/notes.tsx'
import { JsonField } from '../../parts/schema-form.tsx'
import styles from './run.module.css'

type SendEventProps = {
  /** One at least. */
  eventKeys: readonly string[]
  /** What becomes of the payload. */
  note: string
}

export function SendEvent({ eventKeys, note }: SendEventProps) {
  const [isOpen, setOpen] = useState(false)
  useKeys({ '.': () => setOpen(true) })
  return (
    <>
      <Button look="main" hint="." onClick={() => setOpen(true)}>
        {eventKeys.length > 1 ? 'Send an event …' : 'Send the event …'}
      </Button>
      <Dialog open={isOpen} onClose={() => setOpen(false)} title="Send an event">
        <EventForm eventKeys={eventKeys} note={note} onClose={() => setOpen(false)} />
      </Dialog>
    </>
  )
}

function EventForm({ eventKeys, note, onClose }: SendEventProps & { onClose: () => void }) {
  const [chosen, setChosen] = useState('')
  const [toAll, setToAll] = useState(false)
  const [payload, setPayload] = useState<unknown>()
  const [problem, setProblem] = useState<string | undefined>()
  // An event that arrived meanwhile is no longer among them.
  const eventKey = eventKeys.includes(chosen) ? chosen : (eventKeys[0] ?? '')
  const send = useAct(
    () =>
      sendEvent({
        event_key: eventKey,
        to: toAll ? 'all' : 'first',
        ...(payload !== undefined && { payload }),
      }),
    ['run', 'runs', 'stats'],
  )
  return (
    <>
      {eventKeys.length > 1 ? (
        <label className={styles.field}>
          Event
          <select value={eventKey} onChange={({ target }) => setChosen(target.value)}>
            {eventKeys.map((key) => (
              <option key={key}>{key}</option>
            ))}
          </select>
        </label>
      ) : (
        <p>
          Event <code>{eventKey}</code>
        </p>
      )}
      <p>{note}</p>
      <JsonField
        label="Payload (JSON)"
        value={payload}
        onChange={(value, wrong) => {
          setPayload(value)
          setProblem(wrong)
        }}
      />
      <label>
        <input type="checkbox" checked={toAll} onChange={({ target }) => setToAll(target.checked)} /> To every run that
        waits for it, not only the one that has waited longest
      </label>
      {send.error && (
        <p role="alert" className={styles.error}>
          {sentenceOf(send.error)}
        </p>
      )}
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
        <Button
          look="main"
          disabled={problem !== undefined || send.isPending}
          onClick={() => send.mutate(undefined, { onSuccess: onClose })}
        >
          Send
        </Button>
      </DialogActions>
    </>
  )
}
