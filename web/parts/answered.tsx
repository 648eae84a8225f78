// A query's answer, or the note that stands for it: each panel loads and fails alone.
import type { UseQueryResult } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Failure, Loading } from './notes.tsx'

type AnsweredProps<T> = { query: UseQueryResult<T>; what: string; children: (data: T) => ReactNode }

export function Answered<T>({ query, what, children }: AnsweredProps<T>) {
  if (query.data !== undefined) return children(query.data)
  if (query.error) return <Failure error={query.error} what={what} onRetry={() => void query.refetch()} />
  return <Loading what={what} />
}
