// An operation before it is begun: how many runs of which state it would take, the first of them, and room for a reason.
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { startOperation } from '../api/calls.ts'
import { queryClient } from '../api/query-client.ts'
import { count, counted, sentenceCase } from '../look/words.ts'
import { Button } from './button.tsx'
import { DialogActions } from './dialog.tsx'
import { RunLink } from './id.tsx'
import { Failure, Loading, sentenceOf } from './notes.tsx'
import styles from './operation-draft.module.css'
import { StateChip } from './state-chip.tsx'
import { Undoable } from './undoable.tsx'

export type OperationKind = 'cancel' | 'replay' | 'redrive' | 'dismiss'

export const DOES: Record<OperationKind, string> = {
  cancel: 'Runs that are not over are canceled, their children too.',
  replay: 'Each run that is over is triggered again, as a new run; completed ones only if the filter names that state.',
  redrive: 'Dead letters are queued again, with their attempts counted from 1.',
  dismiss: 'Dead letters become failed, keep their error, and cannot be redriven any more.',
}

type Filter = Parameters<typeof startOperation>[0]['filter']
type OperationDraftProps = {
  kind: OperationKind
  filter: Filter
  /** What the filter means. */
  words: string
  onClose: () => void
}

export function OperationDraft({ kind, filter, words, onClose }: OperationDraftProps) {
  const [reason, setReason] = useState('')
  const look = useQuery({
    queryKey: ['dry-run', kind, filter],
    queryFn: async ({ signal }) => {
      const answer = await startOperation({ kind, filter, dry_run: true }, { signal })
      if (!('dry_run' in answer)) throw new Error('The server began the operation instead of looking.')
      return answer
    },
    staleTime: 0,
    gcTime: 0,
  })
  const start = useMutation({
    mutationFn: () => startOperation({ kind, filter, ...(reason.trim() !== '' && { reason: reason.trim() }) }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['operations'] }),
  })
  if (start.data)
    return (
      <>
        <p role="status">It is under way; what becomes of it is told on the screen Operations.</p>
        <DialogActions>
          <Button onClick={onClose}>Close</Button>
          <Link to="/operations" onClick={onClose}>
            Follow it
          </Link>
        </DialogActions>
      </>
    )
  return (
    <>
      <p>{DOES[kind]}</p>
      <p className={styles.words}>{words}</p>
      {look.error ? (
        <Failure error={look.error} what="The dry run" onRetry={() => void look.refetch()} />
      ) : look.data ? (
        <DryRun answer={look.data} />
      ) : (
        <Loading what="how many runs there are" />
      )}
      <label className={styles.reason}>
        Why (kept in the log)
        <input value={reason} maxLength={500} onChange={({ target }) => setReason(target.value)} />
      </label>
      {start.error && <p role="alert">{sentenceOf(start.error)}</p>}
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
        <Undoable
          verb={`${sentenceCase(kind)} them`}
          disabled={!look.data || look.data.matched === 0 || start.isPending}
          act={() => start.mutate()}
        />
      </DialogActions>
    </>
  )
}

type DryRunAnswer = Extract<Awaited<ReturnType<typeof startOperation>>, { dry_run: boolean }>

function DryRun({ answer: { matched, matched_is_exact, by_status, sample } }: { answer: DryRunAnswer }) {
  return (
    <div role="status">
      <p>
        <strong>
          {matched_is_exact ? '' : 'More than '}
          {counted(matched, 'run')}
        </strong>{' '}
        {matched === 1 && matched_is_exact ? 'is' : 'are'} in a state for it now.
      </p>
      {by_status.length > 0 && (
        <ul className={styles.byState} aria-label="By state">
          {by_status.map(({ status, count: n }) => (
            <li key={status}>
              <StateChip state={status} /> {count(n)}
            </li>
          ))}
        </ul>
      )}
      {sample.length > 0 && (
        <p className={styles.sample}>
          First{' '}
          {sample.map((id) => (
            <RunLink key={id} id={id} />
          ))}
        </p>
      )}
    </div>
  )
}
