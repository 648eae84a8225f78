// The bar below the runs: what can be done to those that are selected, or to all that match the filters.
import { type RefObject, useState } from 'react'
import type { Run } from '#contract/runs/run.ts'
import { useMay } from '../../api/session.ts'
import { counted, sentenceCase } from '../../look/words.ts'
import { Button } from '../../parts/button.tsx'
import { onDemand } from '../../parts/on-demand.tsx'
import type { BulkDialogProps, BulkKind } from './bulk-dialog.tsx'
import type { RunSearch } from './filters.ts'
import styles from './runs.module.css'

const BulkDialog = onDemand<BulkDialogProps>(async () => (await import('./bulk-dialog.tsx')).BulkDialog)

const KINDS: readonly BulkKind[] = ['cancel', 'replay', 'redrive']

type BulkBarProps = {
  bar: RefObject<HTMLDivElement | null>
  search: RunSearch
  chosen: readonly Run[]
  onDone: () => void
}

export function BulkBar({ bar, search, chosen, onDone }: BulkBarProps) {
  const may = useMay()
  // As it was when it was asked for: the list changes under the dialog, above all by what is done.
  const [asked, setAsked] = useState<{ kind: BulkKind; chosen: readonly Run[] } | undefined>()
  const kinds = KINDS.filter((one) => may(one === 'redrive' ? 'runs:redrive' : 'runs:write'))
  if (kinds.length === 0) return null
  const isAll = chosen.length === 0
  return (
    <div ref={bar} className={styles.bulk}>
      <span>{isAll ? 'All that match:' : `${counted(chosen.length, 'run')} selected:`}</span>
      {kinds.map((one) => (
        <Button key={one} look={one === 'cancel' ? 'danger' : 'plain'} onClick={() => setAsked({ kind: one, chosen })}>
          {sentenceCase(one)} …
        </Button>
      ))}
      {!isAll && (
        <Button look="quiet" onClick={onDone}>
          Select none
        </Button>
      )}
      <BulkDialog
        open={asked !== undefined}
        kind={asked?.kind}
        chosen={asked?.chosen ?? []}
        search={search}
        onClose={(isDone) => {
          setAsked(undefined)
          if (isDone) onDone()
        }}
      />
    </div>
  )
}
