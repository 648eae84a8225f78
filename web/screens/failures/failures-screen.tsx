// What fails, in groups of one kind: since when, how often, in which versions, and what can be done to all of a group.
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { listFailures } from '../../api/calls.ts'
import { useKeys } from '../../frame/keys.ts'
import { count, counted } from '../../look/words.ts'
import { Button } from '../../parts/button.tsx'
import { Empty, Failure, Loading } from '../../parts/notes.tsx'
import { Panel } from '../../parts/panel.tsx'
import { Sparkline } from '../../parts/sparkline.tsx'
import { Time } from '../../parts/time.tsx'
import { useTitle } from '../../parts/title.ts'
import { one } from '../../routing/search.ts'
import { FailureGroup } from './failure-group.tsx'
import styles from './failures.module.css'
import { type Group, isNew, messageOf } from './group.ts'
import { useKnown } from './known.ts'

const WINDOWS = [
  { days: 1, name: '24 hours' },
  { days: 7, name: '7 days' },
  { days: 30, name: '30 days' },
] as const
const DAY_MS = 86_400_000
const PAGE = 50

export function FailuresScreen() {
  useTitle('Failures')
  const search = useSearch({ from: '/signed-in/failures' })
  const navigate = useNavigate({ from: '/failures' })
  const days = WINDOWS.find((it) => String(it.days) === one(search.days))?.days ?? 1
  const job = one(search.job)
  const query = useFailures({ days, job })
  const { known, toggle } = useKnown()
  const [showsKnown, setShowsKnown] = useState(false)
  const all = query.data?.pages.flatMap(({ data }) => data) ?? []
  const groups = all.filter(({ error_group }) => showsKnown || !known.has(error_group))
  const wanted = one(search.error_group)
  // The first that was shown stays open, whatever comes before it later.
  const [first, setFirst] = useState<string | undefined>()
  const opened = all.find(({ error_group }) => error_group === (wanted ?? first)) ?? groups[0]
  if (wanted === undefined && opened && opened.error_group !== first) setFirst(opened.error_group)
  const open = (error_group: string) => void navigate({ search: { ...search, error_group }, replace: true })
  const step = (by: number) => {
    const at = groups.findIndex(({ error_group }) => error_group === opened?.error_group)
    const next = groups[Math.max(0, Math.min(groups.length - 1, at + by))]
    if (next) open(next.error_group)
  }
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    m: () => opened && toggle(opened.error_group),
    o: () => opened && void navigate({ to: '/runs', search: { error_group: opened.error_group } }),
  })
  const hiddenCount = all.length - groups.length
  return (
    <>
      <div className={styles.head}>
        <h1>Failures</h1>
        <fieldset className={styles.windows}>
          <legend>Window</legend>
          {WINDOWS.map((it) => (
            <Link
              key={it.days}
              to="/failures"
              search={{ ...search, days: String(it.days) }}
              aria-current={it.days === days ? 'true' : undefined}
            >
              {it.name}
            </Link>
          ))}
        </fieldset>
        {job !== undefined && (
          <Button look="quiet" onClick={() => void navigate({ search: { days: String(days) } })}>
            Job {job}: show all jobs
          </Button>
        )}
        {(hiddenCount > 0 || showsKnown) && (
          <Button look="quiet" aria-pressed={showsKnown} onClick={() => setShowsKnown(!showsKnown)}>
            {showsKnown ? 'Hide known ones' : `Show ${count(hiddenCount)} known`}
          </Button>
        )}
      </div>
      {query.isPending ? (
        <Loading what="the failures" />
      ) : !query.data ? (
        <Failure error={query.error} what="The failures" onRetry={() => void query.refetch()} />
      ) : opened ? (
        <div className={styles.split}>
          <Panel label="Groups of failures">
            <ul className={styles.groups}>
              {groups.map((group) => (
                <GroupRow
                  key={group.error_group}
                  group={group}
                  isOpened={group === opened}
                  isKnown={known.has(group.error_group)}
                  onOpen={() => open(group.error_group)}
                />
              ))}
            </ul>
            {query.hasNextPage && (
              <p className={styles.more}>
                <Button disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                  Show more
                </Button>
              </p>
            )}
          </Panel>
          <FailureGroup
            key={opened.error_group}
            group={opened}
            unit={query.data.pages[0]?.unit ?? 'hour'}
            from={query.data.pages[0]?.from ?? ''}
            isKnown={known.has(opened.error_group)}
            onKnown={() => toggle(opened.error_group)}
          />
        </div>
      ) : (
        <Panel label="Groups of failures">
          <NoFailures days={days} hiddenCount={hiddenCount} />
        </Panel>
      )}
    </>
  )
}

/** The window ends now, whenever it is asked for again. */
const useFailures = ({ days, job }: { days: number; job: string | undefined }) =>
  useInfiniteQuery({
    queryKey: ['failures', days, job],
    queryFn: ({ pageParam, signal }) =>
      listFailures(
        {
          from: new Date(Date.now() - days * DAY_MS).toISOString(),
          limit: PAGE,
          ...(job !== undefined && { job }),
          ...(pageParam !== '' && { cursor: pageParam }),
        },
        { signal },
      ),
    initialPageParam: '',
    getNextPageParam: ({ next_cursor }) => next_cursor ?? undefined,
  })

const showRow = (row: HTMLButtonElement | null) => row?.scrollIntoView({ block: 'nearest' })

type GroupRowProps = { group: Group; isOpened: boolean; isKnown: boolean; onOpen: () => void }

function GroupRow({ group, isOpened, isKnown, onOpen }: GroupRowProps) {
  return (
    <li>
      <button type="button" aria-current={isOpened} onClick={onOpen} ref={isOpened ? showRow : undefined}>
        <span className={styles.title}>
          <strong>{messageOf(group)}</strong>
          {isNew(group, Date.now()) && <em>new</em>}
          {isKnown && <em className={styles.known}>known</em>}
        </span>
        <Sparkline values={group.counts} />
        <b>{count(group.count)}</b>
        <span className={styles.facts}>
          {group.job_slug ?? 'external runs'}
          {group.error_code !== null && <code>{group.error_code}</code>}
          <span>
            last <Time at={group.last_seen_at} />
          </span>
        </span>
      </button>
    </li>
  )
}

function NoFailures({ days, hiddenCount }: { days: number; hiddenCount: number }) {
  const window = WINDOWS.find((it) => it.days === days)?.name ?? ''
  return (
    <Empty title={hiddenCount > 0 ? 'Only known failures' : `Nothing failed in the last ${window}`}>
      <p>
        {hiddenCount > 0
          ? `${counted(hiddenCount, 'group')} that you marked as known ${hiddenCount === 1 ? 'is' : 'are'} hidden.`
          : 'Runs that fail appear here, in groups of the same job, error code and message.'}
      </p>
    </Empty>
  )
}
