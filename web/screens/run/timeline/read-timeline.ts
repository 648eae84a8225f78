// The timeline of a run, as the API tells it: what was read stays, and only what changed since is asked for.
import { type UseQueryResult, useQuery } from '@tanstack/react-query'
import type { getTimeline } from '../../../api/calls.ts'
import { getTimeline as read } from '../../../api/calls.ts'
import { queryClient } from '../../../api/query-client.ts'

type Answer = Awaited<ReturnType<typeof getTimeline>>
export type ChildRun = Answer['children'][number]

export type KnownSpan = {
  kind: Answer['spans']['kind'][number]
  sequence: number
  parent: number | null
  name: string
  status: string
  note: string | null
  fromMs: number
  toMs: number | null
  tokens: number | null
  costMicrousd: number | null
  ref: string | null
}

export type RunTimeline = {
  spans: ReadonlyMap<string, KnownSpan>
  children: readonly ChildRun[]
  lastSequence: number
  hasMore: boolean
}

const NOTHING: RunTimeline = { spans: new Map(), children: [], lastSequence: 0, hasMore: true }
/** Of 50,000 events each; beyond this a timeline says that there is more. */
const PAGES_MAX = 10

export function useTimeline(runId: string): UseQueryResult<RunTimeline> {
  const queryKey = ['run', runId, 'timeline']
  return useQuery({
    queryKey,
    queryFn: async ({ signal }) => {
      let known = queryClient.getQueryData<RunTimeline>(queryKey) ?? NOTHING
      for (let page = 0; page < PAGES_MAX; page++) {
        known = merged(known, await read({ run_id: runId, after_sequence: known.lastSequence }, { signal }))
        if (!known.hasMore) break
      }
      return known
    },
  })
}

export function merged(known: RunTimeline, { texts, spans: columns, origin, ...answer }: Answer): RunTimeline {
  const originMs = Date.parse(origin)
  const textAt = (index: number | null | undefined) => (index == null ? null : (texts[index] ?? null))
  const spans = columns.kind.length === 0 ? known.spans : new Map(known.spans)
  columns.kind.forEach((kind, at) => {
    const endMs = columns.end_ms[at] ?? null
    const span: KnownSpan = {
      kind,
      sequence: columns.sequence[at] ?? 0,
      parent: columns.parent[at] ?? null,
      name: textAt(columns.name[at]) ?? '',
      status: textAt(columns.status[at]) ?? '',
      note: textAt(columns.note[at]),
      fromMs: originMs + (columns.start_ms[at] ?? 0),
      toMs: endMs === null ? null : originMs + endMs,
      tokens: columns.tokens[at] ?? null,
      costMicrousd: columns.cost_microusd[at] ?? null,
      ref: textAt(columns.ref[at]),
    }
    ;(spans as Map<string, KnownSpan>).set(`${kind}-${span.sequence}`, span)
  })
  return { spans, children: answer.children, lastSequence: answer.last_sequence, hasMore: answer.has_more }
}
