// Which runs of the list are selected: one by one, or all from the last one that was.
import { useRef } from 'react'
import type { Run } from '#contract/runs/run.ts'

export type Selection = {
  has: (id: string) => boolean
  toggle: (id: string) => void
  /** Selects all between the one that was toggled last and this one. */
  extendTo: (id: string) => void
  /** Selects all that are shown, or none of them if they are. */
  toggleAll: () => void
  clear: () => void
  hasAll: boolean
  isEmpty: boolean
}

type Chosen = ReadonlySet<string>

export function useSelection(rows: readonly Run[], chosen: Chosen, onSelect: (next: Chosen) => void): Selection {
  const anchor = useRef<string | undefined>(undefined)
  const ids = rows.map(({ id }) => id)
  const hasAll = ids.length > 0 && ids.every((id) => chosen.has(id))
  const without = (gone: readonly string[]) => new Set([...chosen].filter((id) => !gone.includes(id)))
  return {
    has: (id) => chosen.has(id),
    toggle: (id) => {
      anchor.current = id
      onSelect(chosen.has(id) ? without([id]) : new Set([...chosen, id]))
    },
    extendTo: (id) => {
      const at = ids.indexOf(id)
      // A range begins at its end when the row where it should begin has left the list.
      const from = anchor.current === undefined ? at : ids.indexOf(anchor.current)
      const begin = from < 0 ? at : from
      anchor.current = id
      onSelect(new Set([...chosen, ...ids.slice(Math.min(begin, at), Math.max(begin, at) + 1)]))
    },
    toggleAll: () => onSelect(hasAll ? without(ids) : new Set([...chosen, ...ids])),
    clear: () => onSelect(new Set()),
    hasAll,
    isEmpty: chosen.size === 0,
  }
}
