// The filters of the list of runs: the API's own words, which the address bar, curl and operations share.
import { RUN_STATES, type RunState } from '#core/run.ts'
import type { listRuns } from '../../api/calls.ts'
import { many, one } from '../../routing/search.ts'

export const RUN_FILTERS = [
  'status',
  'job',
  'queue',
  'agent_id',
  'tag',
  'metadata',
  'triggered_by',
  'batch_id',
  'parent_run_id',
  'correlation_id',
  'created_from',
  'created_to',
  'finished_from',
  'finished_to',
  'error_code',
  'error_group',
  'payload_contains',
] as const
export type RunFilterName = (typeof RUN_FILTERS)[number]
export type RunSearch = { [Name in RunFilterName]?: string | string[] }

/** What each filter is called on its chip. */
export const FILTER_WORDS: Record<RunFilterName, string> = {
  status: 'State',
  job: 'Job',
  queue: 'Queue',
  agent_id: 'Agent',
  tag: 'Tag',
  metadata: 'Metadata',
  triggered_by: 'Triggered by',
  batch_id: 'Batch',
  parent_run_id: 'Parent',
  correlation_id: 'Correlation',
  created_from: 'From',
  created_to: 'Until',
  finished_from: 'Ended from',
  finished_to: 'Ended until',
  error_code: 'Error code',
  error_group: 'Failure group',
  payload_contains: 'Payload contains',
}

const LISTS: ReadonlySet<string> = new Set(['tag', 'metadata'])
export const isList = (name: RunFilterName): boolean => LISTS.has(name)

export const statesOf = (search: RunSearch): RunState[] =>
  many(search.status)
    .flatMap((text) => text.split(','))
    .flatMap((word) => RUN_STATES.find((state) => state === word) ?? [])

type RunQuery = Parameters<typeof listRuns>[0]

/** As the API takes it. A state that does not exist is left out here, and its chip is not shown. */
export function queryOf(search: RunSearch): RunQuery {
  const query: Record<string, unknown> = {}
  for (const name of RUN_FILTERS) {
    const value = isList(name) ? many(search[name]) : one(search[name])
    if (value !== undefined && value.length > 0) query[name] = value
  }
  const states = statesOf(search)
  delete query.status
  return { ...query, ...(states.length > 0 && { status: [states.join(',')] }) } as RunQuery
}

export const chipsOf = (search: RunSearch): { name: RunFilterName; value: string }[] =>
  RUN_FILTERS.filter((name) => name !== 'status').flatMap((name) =>
    (isList(name) ? many(search[name]) : many(search[name]).slice(0, 1)).map((value) => ({ name, value })),
  )

/** Without the last chip or, where there is none, without the states. */
export function withoutLast(search: RunSearch): RunSearch {
  const last = chipsOf(search).at(-1)
  const { [last?.name ?? 'status']: values, ...rest } = search
  const left = last ? many(values).slice(0, -1) : []
  return last && left.length > 0 ? { ...rest, [last.name]: left } : rest
}
