// What is done to many runs: to those that are selected, or as an operation to all that match the filters, with a dry run
// shown first.
import { useMutation } from '@tanstack/react-query'
import type { Run } from '#contract/runs/run.ts'
import { cancelRuns, redriveRuns, replayRuns } from '../../api/calls.ts'
import { queryClient } from '../../api/query-client.ts'
import { count, counted, sentenceCase } from '../../look/words.ts'
import { Button } from '../../parts/button.tsx'
import { Dialog, DialogActions } from '../../parts/dialog.tsx'
import { RunLink } from '../../parts/id.tsx'
import { sentenceOf } from '../../parts/notes.tsx'
import { DOES, OperationDraft } from '../../parts/operation-draft.tsx'
import { Undoable } from '../../parts/undoable.tsx'
import { FILTER_WORDS, queryOf, RUN_FILTERS, type RunSearch } from './filters.ts'
import styles from './runs.module.css'

export type BulkKind = 'cancel' | 'replay' | 'redrive'
export type BulkDialogProps = {
  open: boolean
  /** Undefined until something was asked for. */
  kind: BulkKind | undefined
  /** Those selected; all that match the filters when there are none. */
  chosen: readonly Run[]
  search: RunSearch
  onClose: (isDone: boolean) => void
}

export function BulkDialog({ open, kind, chosen, search, onClose }: BulkDialogProps) {
  const isAll = chosen.length === 0
  const title = kind ? `${sentenceCase(kind)} ${isAll ? 'all that match' : counted(chosen.length, 'run')}` : ''
  return (
    <Dialog open={open} onClose={() => onClose(false)} title={title}>
      {kind && isAll && (
        <OperationDraft kind={kind} filter={filterOf(search)} words={wordsOf(search)} onClose={() => onClose(false)} />
      )}
      {kind && !isAll && <Selected kind={kind} chosen={chosen} onClose={onClose} />}
    </Dialog>
  )
}

type SelectedProps = { kind: BulkKind; chosen: readonly Run[]; onClose: (isDone: boolean) => void }
type Outcome = { done: number; problems: { id: string; message: string }[] }

const ACTS: Record<BulkKind, (ids: string[]) => Promise<Outcome>> = {
  cancel: async (run_ids) => outcomeOf((await cancelRuns({ run_ids })).results),
  replay: async (run_ids) => outcomeOf((await replayRuns({ run_ids })).results),
  redrive: async (run_ids) => outcomeOf((await redriveRuns({ run_ids })).results),
}

const outcomeOf = (results: readonly { id: string; error?: { message: string } }[]): Outcome => ({
  done: results.filter(({ error }) => error === undefined).length,
  problems: results.flatMap(({ id, error }) => (error ? [{ id, message: error.message }] : [])),
})

function Selected({ kind, chosen, onClose }: SelectedProps) {
  const act = useMutation({
    mutationFn: () => ACTS[kind](chosen.map(({ id }) => id)),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ['runs'] }),
  })
  return (
    <>
      <p>{DOES[kind]}</p>
      {act.error && <p role="alert">{sentenceOf(act.error)}</p>}
      {act.data && (
        <div role="status">
          <p>
            Done to {count(act.data.done)} of {counted(chosen.length, 'run')}.
          </p>
          <ul className={styles.problems}>
            {act.data.problems.map(({ id, message }) => (
              <li key={id}>
                <RunLink id={id} /> {message}
              </li>
            ))}
          </ul>
        </div>
      )}
      <DialogActions>
        <Button onClick={() => onClose(act.data !== undefined)}>Close</Button>
        {!act.data && (
          <Undoable
            verb={`${sentenceCase(kind)} ${counted(chosen.length, 'run')}`}
            disabled={act.isPending}
            act={() => act.mutate()}
          />
        )}
      </DialogActions>
    </>
  )
}

const filterOf = (search: RunSearch) => {
  const query = queryOf(search)
  return Object.keys(query).length > 0 ? query : { all: true }
}

const wordsOf = (search: RunSearch): string => {
  const words = RUN_FILTERS.flatMap((name) =>
    search[name] === undefined ? [] : [`${FILTER_WORDS[name]} ${[search[name]].flat().join(', ')}`],
  )
  return words.length > 0 ? words.join(' · ') : 'All runs of the project'
}
