// The run before or after one in the list of runs that was looked at last, of what is still in the cache.
import type { InfiniteData } from '@tanstack/react-query'
import type { listRuns } from '../../api/calls.ts'
import { queryClient } from '../../api/query-client.ts'

type Pages = InfiniteData<Awaited<ReturnType<typeof listRuns>>>

export function runBeside(id: string, by: number): string | undefined {
  const lists = queryClient
    .getQueryCache()
    .findAll({ queryKey: ['runs'] })
    .toSorted((a, b) => b.state.dataUpdatedAt - a.state.dataUpdatedAt)
  for (const { state } of lists) {
    const ids =
      (state.data as Partial<Pages> | undefined)?.pages?.flatMap(({ data }) => data.map((run) => run.id)) ?? []
    const at = ids.indexOf(id)
    if (at >= 0) return ids[at + by]
  }
  return undefined
}
