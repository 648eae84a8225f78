// What a person keeps of the list of runs in this browser: which columns it has, and views, which are names for filters.
import { useSyncExternalStore } from 'react'
import { pick } from '../../routing/search.ts'
import { RUN_FILTERS, type RunSearch } from './filters.ts'

export const COLUMNS = ['id', 'took', 'attempt', 'agent', 'queue', 'triggered_by', 'ended', 'error'] as const
export type ColumnName = (typeof COLUMNS)[number]
export type View = { name: string; search: RunSearch }
type Kept = { columns: readonly ColumnName[]; views: readonly View[] }

const NAME = 'runyard.runs'
export const VIEWS_MAX = 50
const DEFAULTS: Kept = { columns: ['id', 'took', 'attempt', 'agent', 'error'], views: [] }

function read(): Kept {
  try {
    const { columns, views } = JSON.parse(localStorage.getItem(NAME) ?? '{}') as Partial<Kept>
    return {
      columns: Array.isArray(columns) ? COLUMNS.filter((name) => columns.includes(name)) : DEFAULTS.columns,
      views: Array.isArray(views)
        ? views
            .filter((view): view is View => typeof view?.name === 'string' && typeof view.search === 'object')
            .map(({ name, search }) => ({ name, search: pick(RUN_FILTERS)({ ...search }) }))
        : [],
    }
  } catch {
    // A browser that keeps nothing has the defaults.
    return DEFAULTS
  }
}

let kept = read()
const listeners = new Set<() => void>()

export function keep(change: Partial<Kept>): void {
  kept = { ...kept, ...change }
  try {
    localStorage.setItem(NAME, JSON.stringify(kept))
  } catch {
    // It then holds for this tab.
  }
  for (const listener of listeners) listener()
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export const useKept = (): Kept => useSyncExternalStore(subscribe, () => kept)
