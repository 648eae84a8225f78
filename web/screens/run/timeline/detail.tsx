// What the log says of the span that is chosen.
import { useQuery } from '@tanstack/react-query'
import type { Event } from '#contract/event.ts'
import { listRunEvents } from '../../../api/calls.ts'
import { sentenceCase } from '../../../look/words.ts'
import { ActorName, RunLink } from '../../../parts/id.tsx'
import { JsonTree } from '../../../parts/json-tree.tsx'
import { Facts } from '../../../parts/panel.tsx'
import { Time } from '../../../parts/time.tsx'
import type { Span } from './span.ts'
import { endOf, startOf, tookWords } from './spans.ts'
import styles from './timeline.module.css'

type SpanDetailProps = { runId: string; span: Span | undefined }

export function SpanDetail({ runId, span }: SpanDetailProps) {
  const { data: event } = useQuery({
    queryKey: ['run', runId, 'event', span?.sequence],
    queryFn: ({ signal }) => readEvent(runId, span?.sequence ?? 0, signal),
    enabled: span !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
  })
  if (!span)
    return (
      <aside className={`${styles.panel} ${styles.detail}`} aria-label="Detail">
        <p className={styles.note}>Choose a span to see what the log says of it.</p>
      </aside>
    )
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
          event != null && [
            'By',
            <ActorName key="by" type={event.actor_type} id={event.actor_id} name={event.actor_name} />,
          ],
        ]}
      />
      {event && <EventData event={event} />}
    </aside>
  )
}

/** Null where the event is no longer kept. */
async function readEvent(runId: string, sequence: number, signal: AbortSignal): Promise<Event | null> {
  const { data } = await listRunEvents({ run_id: runId, after_sequence: sequence - 1, limit: 1 }, { signal })
  return data.find((event) => event.sequence === sequence) ?? null
}

const EventData = ({ event: { type, message, data } }: { event: Event }) => (
  <>
    <p>
      <code>{type}</code> {message}
    </p>
    {data !== null && data !== undefined && <JsonTree value={data} label={`Data of ${type}`} />}
  </>
)
