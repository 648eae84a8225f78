// The log of one run. It is append-only: what was read stays, and only what came later is asked for.
import { type UseQueryResult, useQuery } from '@tanstack/react-query'
import type { Event } from '#contract/event.ts'
import { listRunEvents } from '../../api/calls.ts'
import { queryClient } from '../../api/query-client.ts'

const PAGE = 500
/** Beyond this a person asks for more, so that a huge run opens as fast as a small one. */
const PAGES = 12

export type RunLog = { events: Event[]; hasMore: boolean }

type Asked = { pages: number; isShown: boolean }

export function useRunLog(runId: string, { pages, isShown }: Asked): UseQueryResult<RunLog> & { pagesMax: number } {
  const key = ['run', runId, 'log', pages]
  const query = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => readOn(runId, pages * PAGES, signal),
    enabled: isShown,
  })
  return { ...query, pagesMax: pages * PAGES * PAGE }
}

async function readOn(runId: string, pagesMax: number, signal: AbortSignal): Promise<RunLog> {
  const known = queryClient
    .getQueriesData<RunLog>({ queryKey: ['run', runId, 'log'] })
    .flatMap(([, log]) => (log ? [log.events] : []))
    .reduce<Event[]>((longest, events) => (events.length > longest.length ? events : longest), [])
  const events = [...known]
  let hasMore = true
  while (hasMore && events.length < pagesMax * PAGE) {
    const after_sequence = events.at(-1)?.sequence ?? 0
    const page = await listRunEvents({ run_id: runId, after_sequence, limit: PAGE }, { signal })
    events.push(...page.data)
    hasMore = page.has_more && page.data.length > 0
  }
  return { events, hasMore }
}
