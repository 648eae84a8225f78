import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { ArrowUp } from 'lucide-react'
import { useRef, useState } from 'react'
import { RUN_STATES, type RunState } from '#core/run.ts'
import { getStats } from '../../api/calls.ts'
import { useKeys } from '../../frame/keys.ts'
import { count, counted, stateWord } from '../../look/words.ts'
import { Button } from '../../parts/button.tsx'
import { Failure, Loading } from '../../parts/notes.tsx'
import { onDemand } from '../../parts/on-demand.tsx'
import { Panel } from '../../parts/panel.tsx'
import { StateIcon } from '../../parts/state-chip.tsx'
import { useTitle } from '../../parts/title.ts'
import { BulkBar } from './bulk-bar.tsx'
import { FilterBar } from './filter-bar.tsx'
import { type RunSearch, statesOf, withoutLast } from './filters.ts'
import { NoRuns } from './no-runs.tsx'
import type { PeekProps } from './peek.tsx'
import styles from './runs.module.css'
import { useRuns } from './runs-query.ts'
import { RunsTable } from './runs-table.tsx'
import type { ViewsDialogProps } from './views-dialog.tsx'

export function RunsScreen() {
  useTitle('Runs')
  const search = useSearch({ from: '/signed-in/runs' })
  const navigate = useNavigate({ from: '/runs' })
  const show = (next: RunSearch) => void navigate({ search: next })
  const found = useRuns(search)
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set())
  const filterField = useRef<HTMLInputElement>(null)
  const bulkBar = useRef<HTMLDivElement>(null)
  const [isViewing, setViewing] = useState(false)
  const [peeked, setPeeked] = useState<string | undefined>()
  useKeys({
    '*': () => {
      setSelected(new Set())
      bulkBar.current?.querySelector('button')?.focus()
    },
    f: () => filterField.current?.focus(),
    Backspace: () => show(withoutLast(search)),
    v: () => setViewing(true),
  })
  const chosen = found.rows.filter(({ id }) => selected.has(id))
  return (
    <>
      <div className={styles.head}>
        <h1>Runs</h1>
        {found.fresh > 0 && (
          <Button look="main" onClick={found.showFresh} icon={<ArrowUp size={13} aria-hidden="true" />}>
            {found.fresh >= 100 ? '100+' : found.fresh} new
          </Button>
        )}
        <Button hint="v" onClick={() => setViewing(true)}>
          Views …
        </Button>
        <span aria-live="polite" className={styles.hidden}>
          {found.fresh > 0 ? `${counted(found.fresh, 'new run')}` : ''}
        </span>
      </div>
      <ViewsDialog open={isViewing} onClose={() => setViewing(false)} search={search} show={show} />
      <Peek
        open={peeked !== undefined}
        runId={peeked}
        rows={found.rows}
        onPeek={setPeeked}
        onClose={() => setPeeked(undefined)}
      />
      <StateChips search={search} show={show} />
      <FilterBar search={search} show={show} field={filterField} />
      <BulkBar bar={bulkBar} search={search} chosen={chosen} onDone={() => setSelected(new Set())} />
      <Panel label="Runs">
        <div className={found.isLoading && !found.isFirstLoad ? styles.fetching : styles.fetched} />
        {found.error ? (
          <Failure error={found.error} what="The list of runs" onRetry={found.retry} />
        ) : found.isFirstLoad ? (
          <Loading what="runs" />
        ) : found.rows.length === 0 && !found.hasMore ? (
          <NoRuns search={search} show={show} />
        ) : (
          <RunsTable rows={found.rows} chosen={selected} onSelect={setSelected} onPeek={setPeeked} />
        )}
        {found.hasMore && (
          <div className={styles.foot}>
            <span>{counted(found.rows.length, 'run')} so far. A page looks at 5,000 runs; there are older ones.</span>
            <Button onClick={found.more} disabled={found.isLoading}>
              {found.isLoading ? 'Looking …' : 'Go on'}
            </Button>
          </div>
        )}
      </Panel>
    </>
  )
}

const Peek = onDemand<PeekProps>(async () => (await import('./peek.tsx')).Peek)
const ViewsDialog = onDemand<ViewsDialogProps>(async () => (await import('./views-dialog.tsx')).ViewsDialog)

type StateChipsProps = { search: RunSearch; show: (next: RunSearch) => void }

/** The counts are of the whole project: they come from counters, and cost nothing however many runs there are. */
function StateChips({ search, show }: StateChipsProps) {
  const { data } = useQuery({ queryKey: ['stats'], queryFn: ({ signal }) => getStats({}, { signal }) })
  const chosen = statesOf(search)
  const toggle = (state: RunState) => {
    const next = chosen.includes(state) ? chosen.filter((it) => it !== state) : [...chosen, state]
    const { status: _, ...rest } = search
    show(next.length > 0 ? { ...rest, status: next.join(',') } : rest)
  }
  const shown = RUN_STATES.filter((state) => chosen.includes(state) || (data?.runs[state] ?? 0) > 0)
  useKeys(Object.fromEntries(shown.slice(0, 9).map((state, at) => [String(at + 1), () => toggle(state)])))
  return (
    <fieldset className={styles.states}>
      <legend className={styles.hidden}>States, with the number of runs in the project</legend>
      {shown.map((state) => (
        <button key={state} type="button" aria-pressed={chosen.includes(state)} onClick={() => toggle(state)}>
          <StateIcon state={state} />
          {stateWord(state)}
          <b>{data ? count(data.runs[state]) : '–'}</b>
        </button>
      ))}
    </fieldset>
  )
}
