// One attempt to deliver an event: what was sent, and what was answered.
import { useQuery } from '@tanstack/react-query'
import { getDelivery } from '../../../api/webhooks.ts'
import { duration } from '../../../look/words.ts'
import { Answered } from '../../../parts/answered.tsx'
import { Id } from '../../../parts/id.tsx'
import { Facts } from '../../../parts/panel.tsx'
import { Chip } from '../../../parts/state-chip.tsx'
import { Time } from '../../../parts/time.tsx'
import styles from '../settings.module.css'

type WholeDelivery = Awaited<ReturnType<typeof getDelivery>>

type DeliveryProps = { webhookId: string; deliveryId: string }

export function Delivery({ webhookId, deliveryId }: DeliveryProps) {
  const query = useQuery({
    queryKey: ['delivery', webhookId, deliveryId],
    queryFn: ({ signal }) => getDelivery({ webhook_id: webhookId, delivery_id: deliveryId }, { signal }),
  })
  return (
    <Answered query={query} what="The delivery">
      {(delivery) => <DeliveryFacts delivery={delivery} />}
    </Answered>
  )
}

export function DeliveryFacts({ delivery }: { delivery: WholeDelivery }) {
  const { event_id, event_type, outcome, attempt, sent_at, duration_ms, status, error } = delivery
  return (
    <>
      <Facts
        items={[
          ['Outcome', <Outcome key="outcome" outcome={outcome} />],
          ['Event', event_type],
          event_id !== null && ['Event id', <Id key="id" id={event_id} what="event" />],
          ['Attempt', attempt],
          ['Sent', <Time key="sent" at={sent_at} />],
          ['Took', duration(duration_ms)],
          ['Status', status ?? 'no answer'],
          error !== null && [
            'Error',
            <span key="error" className={styles.error}>
              {error}
            </span>,
          ],
        ]}
      />
      <h3>Sent</h3>
      <pre>{indented(delivery.request_body)}</pre>
      <h3>Answered</h3>
      {delivery.response_body === null ? (
        <p>Nothing.</p>
      ) : (
        <pre>{delivery.response_body === '' ? 'An empty body.' : delivery.response_body}</pre>
      )}
    </>
  )
}

const LOOKS = {
  delivered: ['ok', 'Delivered'],
  failed: ['wait', 'Failed, is retried'],
  given_up: ['bad', 'Given up'],
} as const

export function Outcome({ outcome }: { outcome: keyof typeof LOOKS }) {
  const [tone, word] = LOOKS[outcome]
  return <Chip tone={tone}>{word}</Chip>
}

/** What was cut off is no JSON any more, and stays as it is. */
function indented(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2)
  } catch {
    return text
  }
}
