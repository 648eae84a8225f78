// The keys of the list of runs: they are about the row that has the focus.
import type { RefObject } from 'react'
import type { Run } from '#contract/runs/run.ts'
import { useKeys } from '../../frame/keys.ts'
import type { Selection } from './selection.ts'

type RowKeys = {
  body: RefObject<HTMLTableSectionElement | null>
  rows: readonly Run[]
  selection: Selection
  onPeek: (id: string) => void
}

export function useRowKeys({ body, rows, selection, onPeek }: RowKeys): void {
  const links = () => [...(body.current?.querySelectorAll<HTMLAnchorElement>('a[data-row]') ?? [])]
  const focusedAt = () => links().findIndex((link) => link.matches(':focus'))
  const step = (by: number) => {
    const all = links()
    const at = focusedAt()
    all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + by))]?.focus()
  }
  /** False without such a row: the space bar then scrolls. */
  const withFocused = (act: (id: string) => void) => () => {
    const row = rows[focusedAt()]
    return row !== undefined && act(row.id)
  }
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    x: withFocused(selection.toggle),
    'Shift+x': withFocused(selection.extendTo),
    Space: withFocused(onPeek),
    Escape: () => !selection.isEmpty && selection.clear(),
  })
}
