// What the log says of the span that is chosen.
import type { Event } from '#contract/event.ts'
import { sentenceCase } from '../../../look/words.ts'
import { ActorName, RunLink } from '../../../parts/id.tsx'
import { JsonTree } from '../../../parts/json-tree.tsx'
import { Facts } from '../../../parts/panel.tsx'
import { Time } from '../../../parts/time.tsx'
import type { RunLog } from '../run-events.ts'
import type { Span } from './span.ts'
import { endOf, startOf, tookWords } from './spans.ts'
import styles from './timeline.module.css'

type SpanDetailProps = { span: Span | undefined; log: RunLog }

export function SpanDetail({ span, log }: SpanDetailProps) {
  if (!span)
    return (
      <aside className={`${styles.panel} ${styles.detail}`} aria-label="Detail">
        <p className={styles.note}>Choose a span to see what the log says of it.</p>
      </aside>
    )
  const event = log.events.find(({ sequence }) => sequence === span.sequence)
  const endMs = endOf(span)
  return (
    <aside className={`${styles.panel} ${styles.detail}`} aria-label="Detail">
      <h2>
        {sentenceCase(span.kind)}: {span.name}
      </h2>
      {span.note !== '' && <p className={span.isError ? styles.error : styles.note}>{span.note}</p>}
      <Facts
        items={[
          ['Began', <Time key="began" at={new Date(startOf(span)).toISOString()} />],
          ['Ended', endMs === null ? 'under way' : <Time key="ended" at={new Date(endMs).toISOString()} />],
          ['Took', tookWords(span) || '–'],
          ['Event', `#${span.sequence}`],
          span.runId !== undefined && ['Run', <RunLink key="run" id={span.runId} />],
          event !== undefined && ['By', <ActorName key="by" type={event.actor_type} id={event.actor_id} />],
        ]}
      />
      {event && <EventData event={event} />}
    </aside>
  )
}

const EventData = ({ event: { type, message, data } }: { event: Event }) => (
  <>
    <p>
      <code>{type}</code> {message}
    </p>
    {data !== null && data !== undefined && <JsonTree value={data} label={`Data of ${type}`} />}
  </>
)
