// How many questions wait for a person.
import { useQuery } from '@tanstack/react-query'
import { listInputs } from '../api/calls.ts'
import { useMay } from '../api/session.ts'

const SHOWN_MAX = 100

export function usePendingInputs(): { count: number; hasMore: boolean } {
  const may = useMay()
  const { data } = useQuery({
    queryKey: ['inputs', 'pending', SHOWN_MAX],
    queryFn: ({ signal }) => listInputs({ status: 'pending', limit: SHOWN_MAX }, { signal }),
    enabled: may('runs:read'),
  })
  return { count: data?.data.length ?? 0, hasMore: data?.has_more ?? false }
}
