// Views of the list of runs: filters under a name, and which columns the list has. Both are kept in this browser.
import { type FormEvent, useState } from 'react'
import { Button } from '../../parts/button.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { Empty } from '../../parts/notes.tsx'
import { FILTER_WORDS, RUN_FILTERS, type RunSearch } from './filters.ts'
import { COLUMNS, type ColumnName, keep, useKept, VIEWS_MAX, type View } from './kept.ts'
import styles from './runs.module.css'

const NAME_LENGTH_MAX = 60
const COLUMN_WORDS: Record<ColumnName, string> = {
  id: 'Id',
  took: 'Took',
  attempt: 'Attempt',
  agent: 'Agent, tags',
  queue: 'Queue',
  triggered_by: 'Triggered by',
  ended: 'Ended',
  error: 'Error',
}

export type ViewsDialogProps = {
  open: boolean
  onClose: () => void
  search: RunSearch
  show: (next: RunSearch) => void
}

export function ViewsDialog({ open, onClose, search, show }: ViewsDialogProps) {
  return (
    <Dialog open={open} onClose={onClose} title="Views and columns">
      <Views
        search={search}
        show={(next) => {
          onClose()
          show(next)
        }}
      />
      <Columns />
    </Dialog>
  )
}

function Views({ search, show }: Pick<ViewsDialogProps, 'search' | 'show'>) {
  const { views } = useKept()
  const [name, setName] = useState('')
  const wanted = name.trim()
  const save = (event: FormEvent) => {
    event.preventDefault()
    keep({ views: [...views.filter((view) => view.name !== wanted), { name: wanted, search }] })
    setName('')
  }
  return (
    <section aria-label="Views" className={styles.kept}>
      <h3>Views</h3>
      {views.length === 0 ? (
        <Empty title="No views yet">
          <p>A view is a name for the filters that are set now. A link to the page shares it with others.</p>
        </Empty>
      ) : (
        <ul className={styles.views}>
          {views.map((view) => (
            <li key={view.name}>
              <Button look="quiet" onClick={() => show(view.search)}>
                {view.name}
              </Button>
              <span>{wordsOf(view)}</span>
              <Button
                look="danger"
                aria-label={`Delete the view ${view.name}`}
                onClick={() => keep({ views: views.filter((it) => it !== view) })}
              >
                Delete
              </Button>
            </li>
          ))}
        </ul>
      )}
      <form className={styles.save} onSubmit={save}>
        <label>
          Name for the filters that are set now
          <input value={name} maxLength={NAME_LENGTH_MAX} onChange={({ target }) => setName(target.value)} />
        </label>
        <Button
          type="submit"
          look="main"
          disabled={wanted === '' || (views.length >= VIEWS_MAX && !views.some((view) => view.name === wanted))}
        >
          Save
        </Button>
      </form>
    </section>
  )
}

const wordsOf = ({ search }: View): string =>
  RUN_FILTERS.flatMap((filter) =>
    search[filter] === undefined ? [] : [`${FILTER_WORDS[filter]} ${[search[filter]].flat().join(', ')}`],
  ).join(' · ') || 'All runs'

function Columns() {
  const { columns } = useKept()
  const toggle = (name: ColumnName) =>
    keep({ columns: COLUMNS.filter((it) => (it === name ? !columns.includes(it) : columns.includes(it))) })
  return (
    <fieldset className={styles.columns}>
      <legend>Columns, on a wide screen</legend>
      {COLUMNS.map((name) => (
        <label key={name}>
          <input type="checkbox" checked={columns.includes(name)} onChange={() => toggle(name)} /> {COLUMN_WORDS[name]}
        </label>
      ))}
    </fieldset>
  )
}
