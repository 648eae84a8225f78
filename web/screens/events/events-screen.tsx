// The log of the project: filters, counts by type, and the newest events first, which follow what happens.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import type { Event } from '#contract/event.ts'
import { BASE } from '../../api/call.ts'
import { aggregateEvents, listEvents } from '../../api/calls.ts'
import { usePreferences } from '../../look/preferences.ts'
import { absolute } from '../../look/times.ts'
import { count, counted } from '../../look/words.ts'
import { Answered } from '../../parts/answered.tsx'
import { Button } from '../../parts/button.tsx'
import { CopyButton } from '../../parts/copy.tsx'
import { ActorName, RunLink } from '../../parts/id.tsx'
import { Empty, Failure, Loading } from '../../parts/notes.tsx'
import { Panel } from '../../parts/panel.tsx'
import { useTitle } from '../../parts/title.ts'
import { one, stringifySearch } from '../../routing/search.ts'
import { EventDrawer } from './event-drawer.tsx'
import styles from './events.module.css'
import { EVENT_FILTERS } from './filters.ts'

type EventSearch = { [Name in (typeof EVENT_FILTERS)[number]]?: string | string[] }
type EventQuery = Parameters<typeof listEvents>[0]

const FACETS = 12

export function EventsScreen() {
  useTitle('Events')
  const search = useSearch({ from: '/signed-in/events' })
  const navigate = useNavigate({ from: '/events' })
  const show = (next: EventSearch) => void navigate({ search: next })
  const filter = filterOf(search)
  const query = useInfiniteQuery({
    queryKey: ['events', 'list', filter],
    queryFn: ({ pageParam, signal }) =>
      listEvents({ ...filter, limit: 100, ...(pageParam !== '' && { cursor: pageParam }) }, { signal }),
    initialPageParam: '',
    getNextPageParam: ({ next_cursor }) => next_cursor ?? undefined,
  })
  const [opened, setOpened] = useState<Event | undefined>()
  const events = query.data?.pages.flatMap(({ data }) => data)
  return (
    <>
      <h1>Events</h1>
      <Filters search={search} show={show} />
      <div className={styles.split}>
        <Facets search={search} show={show} />
        <Panel label="Events">
          {query.error && !events ? (
            <Failure error={query.error} what="The events" onRetry={() => void query.refetch()} />
          ) : !events ? (
            <Loading what="events" />
          ) : events.length === 0 ? (
            <Empty title="No event matches">Retention deletes old events; a filter may also hide them.</Empty>
          ) : (
            <ol className={styles.events}>
              {events.map((event) => (
                <Line key={event.id ?? event.position} event={event} onOpen={() => setOpened(event)} />
              ))}
            </ol>
          )}
          {query.hasNextPage && (
            <div className={styles.foot}>
              <span>{counted(events?.length ?? 0, 'event')} so far</span>
              <Button onClick={() => void query.fetchNextPage()} disabled={query.isFetchingNextPage}>
                Go on
              </Button>
            </div>
          )}
        </Panel>
      </div>
      <EventDrawer event={opened} onClose={() => setOpened(undefined)} />
    </>
  )
}

function filterOf(search: EventSearch): EventQuery {
  const filter: Record<string, unknown> = {}
  for (const name of EVENT_FILTERS) {
    const value = one(search[name])
    if (value !== undefined && name !== 'event') filter[name] = value
  }
  // A list separated by commas, which the API takes as it is.
  return (typeof filter.type === 'string' ? { ...filter, type: [filter.type] } : filter) as EventQuery
}

type LineProps = { event: Event; onOpen: () => void }

function Line({ event, onOpen }: LineProps) {
  const { clock } = usePreferences()
  const at = new Date(event.occurred_at)
  return (
    <li>
      <time dateTime={event.occurred_at} title={absolute(at, clock === 'utc' ? 'local' : 'utc')}>
        {absolute(at, clock === 'utc' ? 'utc' : 'local')}
      </time>
      <button type="button" onClick={onOpen}>
        {event.type}
      </button>
      <span className={styles.words}>
        {event.run_id !== null ? (
          <RunLink id={event.run_id} />
        ) : (
          event.resource_id !== null && (
            <span>
              {event.resource_type} {event.resource_id}
            </span>
          )
        )}{' '}
        {event.message}
      </span>
      <span className={styles.actor}>
        <ActorName type={event.actor_type} id={event.actor_id} name={event.actor_name} />
      </span>
    </li>
  )
}

type FiltersProps = { search: EventSearch; show: (next: EventSearch) => void }

const FIELDS = ['type', 'run_id', 'agent_id', 'actor_id', 'correlation_id', 'tool', 'step', 'status', 'text'] as const
const LEVELS = ['debug', 'info', 'warn', 'error'] as const

function Filters({ search, show }: FiltersProps) {
  return (
    <form
      className={styles.filters}
      onSubmit={(event) => {
        event.preventDefault()
        const fields = new FormData(event.currentTarget)
        const next: EventSearch = { ...search }
        for (const name of [...FIELDS, 'level'] as const) {
          delete next[name]
          const value = String(fields.get(name) ?? '').trim()
          if (value !== '') next[name] = value
        }
        show(next)
      }}
    >
      {FIELDS.map((name) => (
        <label key={`${name} ${one(search[name])}`}>
          {name}
          <input name={name} defaultValue={one(search[name]) ?? ''} spellCheck={false} />
        </label>
      ))}
      <label key={`level ${one(search.level)}`}>
        level
        <select name="level" defaultValue={one(search.level) ?? ''}>
          <option value="">any</option>
          {LEVELS.map((level) => (
            <option key={level}>{level}</option>
          ))}
        </select>
      </label>
      <Button type="submit" look="main">
        Filter
      </Button>
      <Button look="quiet" onClick={() => show({})}>
        Clear
      </Button>
      <CopyButton
        label="Copy as curl"
        text={`curl -H "Authorization: Bearer $KEY" '${BASE}/v1/events${stringifySearch(search)}'`}
      />
    </form>
  )
}

function Facets({ search, show }: FiltersProps) {
  const query = useQuery({
    queryKey: ['events', 'aggregate'],
    queryFn: ({ signal }) => aggregateEvents({}, { signal }),
    // Counters of the whole log: they change with every event, and nobody reads them that fast.
    staleTime: 30_000,
  })
  return (
    <Panel title="Types">
      <Answered query={query} what="The counts">
        {({ by_type, total }) => (
          <ul className={styles.facets}>
            {by_type.slice(0, FACETS).map((it) => (
              <li key={it.key}>
                <button
                  type="button"
                  aria-pressed={one(search.type) === it.key}
                  onClick={() => show({ ...search, type: it.key })}
                >
                  <span>{it.key}</span>
                  <b>{count(it.count)}</b>
                </button>
              </li>
            ))}
            <li className={styles.total}>{counted(total, 'event')} in all</li>
          </ul>
        )}
      </Answered>
    </Panel>
  )
}
