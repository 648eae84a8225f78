// One event: what it says, what caused it, and the chain that it belongs to.
import { Link } from '@tanstack/react-router'
import type { Event } from '#contract/event.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { ActorName, Id, RunLink } from '../../parts/id.tsx'
import { JsonTree } from '../../parts/json-tree.tsx'
import { Facts } from '../../parts/panel.tsx'
import { Time } from '../../parts/time.tsx'

type EventDrawerProps = { event: Event | undefined; onClose: () => void }

export function EventDrawer({ event, onClose }: EventDrawerProps) {
  return (
    <Dialog open={event !== undefined} onClose={onClose} title={event?.type ?? ''} wide>
      {event && (
        <>
          <Facts
            items={[
              event.id !== null && ['Event', <Id key="id" id={event.id} what="event" />],
              ['Happened', <Time key="at" at={event.occurred_at} />],
              ['By', <ActorName key="by" type={event.actor_type} id={event.actor_id} name={event.actor_name} />],
              event.run_id !== null && ['Run', <RunLink key="run" id={event.run_id} />],
              event.resource_id !== null && ['About', `${event.resource_type} ${event.resource_id}`],
              event.correlation_id !== null && [
                'Chain',
                <Link key="chain" to="/events" search={{ correlation_id: event.correlation_id }} onClick={onClose}>
                  All events of its chain
                </Link>,
              ],
              event.causation_id !== null && [
                'Caused by',
                <Id key="cause" id={event.causation_id} what="event that caused it" />,
              ],
              event.position !== null && ['Position', event.position],
            ]}
          />
          {event.message !== null && <p>{event.message}</p>}
          <JsonTree value={event.data} label="Data of the event" />
        </>
      )}
    </Dialog>
  )
}
