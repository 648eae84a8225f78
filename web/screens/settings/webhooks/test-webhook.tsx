import { testWebhook, type Webhook } from '../../../api/webhooks.ts'
import { useAct } from '../../../parts/act.ts'
import { Button } from '../../../parts/button.tsx'
import { DialogActions } from '../../../parts/dialog.tsx'
import { sentenceOf } from '../../../parts/notes.tsx'
import styles from '../settings.module.css'
import { DeliveryFacts } from './delivery.tsx'

/** The server waits for the receiver for 15 seconds. */
const CALL_MS_MAX = 20_000

export function TestWebhook({ webhook, onClose }: { webhook: Webhook; onClose: () => void }) {
  const test = useAct(() => testWebhook({ webhook_id: webhook.id }, { timeoutMs: CALL_MS_MAX }), ['deliveries'])
  return (
    <>
      {test.data ? (
        <div role="status" className={styles.stack}>
          <DeliveryFacts delivery={test.data} />
        </div>
      ) : (
        <p>
          A message of the type <code>webhook.test</code> is sent to {webhook.url} at once, and what it answers is shown
          here.
        </p>
      )}
      {test.error && (
        <p role="alert" className={styles.error}>
          {sentenceOf(test.error)}
        </p>
      )}
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
        <Button look="main" disabled={test.isPending} onClick={() => test.mutate()}>
          {test.isPending ? 'Waiting for the answer …' : test.data ? 'Send another' : 'Send a test'}
        </Button>
      </DialogActions>
    </>
  )
}
