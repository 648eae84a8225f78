import { type Channel, testChannel } from '../../../api/alerts.ts'
import { useAct } from '../../../parts/act.ts'
import { Button } from '../../../parts/button.tsx'
import { DialogActions } from '../../../parts/dialog.tsx'
import { sentenceOf } from '../../../parts/notes.tsx'
import styles from '../settings.module.css'

export function TestChannel({ channel, onClose }: { channel: Channel; onClose: () => void }) {
  const test = useAct(() => testChannel({ channel_id: channel.id }), [])
  return (
    <>
      {test.data ? (
        <p role="status">
          {test.data.sent ? 'The receiver took it.' : `It could not be sent: ${test.data.error ?? 'no reason given'}`}
        </p>
      ) : (
        <p>A test message is sent to {channel.url ?? channel.recipients.join(', ')} at once.</p>
      )}
      {test.error && (
        <p role="alert" className={styles.error}>
          {sentenceOf(test.error)}
        </p>
      )}
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
        <Button look="main" disabled={test.isPending} onClick={() => test.mutate()}>
          {test.isPending ? 'Sending …' : test.data ? 'Send another' : 'Send a test'}
        </Button>
      </DialogActions>
    </>
  )
}
