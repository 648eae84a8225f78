// The list of runs, page by page, which new runs never push down: they wait above until somebody asks for them.
import { useInfiniteQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Run } from '#contract/runs/run.ts'
import { listRuns } from '../../api/calls.ts'
import { queryOf, type RunSearch } from './filters.ts'

const PAGE = 50

export type RunsFound = {
  rows: Run[]
  fresh: number
  showFresh: () => void
  error: unknown
  isFirstLoad: boolean
  isLoading: boolean
  hasMore: boolean
  more: () => void
  retry: () => void
}

type Line = { key: string; newest: string }

export function useRuns(search: RunSearch): RunsFound {
  const filter = queryOf(search)
  const key = JSON.stringify(filter)
  const query = useInfiniteQuery({
    queryKey: ['runs', filter],
    queryFn: ({ pageParam, signal }) =>
      listRuns({ ...filter, limit: PAGE, ...(pageParam !== '' && { cursor: pageParam }) }, { signal }),
    initialPageParam: '',
    getNextPageParam: ({ next_cursor }) => next_cursor ?? undefined,
  })
  const all = query.data?.pages.flatMap(({ data }) => data) ?? []
  // Where the list began when it was first shown; what was triggered later waits above.
  const [line, setLine] = useState<Line | undefined>()
  const newest = all[0]?.created_at ?? ''
  if (query.data && line?.key !== key) setLine({ key, newest })
  const shownUntil = line?.key === key ? line.newest : newest
  // An empty list has nothing that could be pushed down.
  const rows = shownUntil === '' ? all : all.filter(({ created_at }) => created_at <= shownUntil)
  return {
    rows,
    fresh: all.length - rows.length,
    showFresh: () => setLine({ key, newest }),
    error: query.data ? undefined : query.error,
    isFirstLoad: query.isPending,
    isLoading: query.isFetching,
    hasMore: query.hasNextPage,
    more: () => void query.fetchNextPage(),
    retry: () => void query.refetch(),
  }
}
