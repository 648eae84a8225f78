import { Link } from '@tanstack/react-router'
import { type ReactNode, useRef } from 'react'
import type { Run } from '#contract/runs/run.ts'
import { isOver } from '#core/run.ts'
import { shortId } from '../../look/words.ts'
import { ActorName } from '../../parts/id.tsx'
import { StateChip } from '../../parts/state-chip.tsx'
import table from '../../parts/table.module.css'
import { Elapsed, Time } from '../../parts/time.tsx'
import { type ColumnName, useKept } from './kept.ts'
import { useRowKeys } from './row-keys.ts'
import styles from './runs.module.css'
import { type Selection, useSelection } from './selection.ts'

type RunsTableProps = {
  rows: readonly Run[]
  chosen: ReadonlySet<string>
  onSelect: (next: ReadonlySet<string>) => void
  onPeek: (id: string) => void
}

export function RunsTable({ rows, chosen, onSelect, onPeek }: RunsTableProps) {
  const body = useRef<HTMLTableSectionElement>(null)
  const selection = useSelection(rows, chosen, onSelect)
  useRowKeys({ body, rows, selection, onPeek })
  const { columns } = useKept()
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls can be reached by key.
    // biome-ignore lint/a11y/useSemanticElements: it groups no fields.
    <div role="group" className={table.scroll} aria-label="List of runs" tabIndex={0}>
      <table className={`${table.table} ${styles.runs}`}>
        <thead>
          <tr>
            <th scope="col">
              <input
                type="checkbox"
                aria-label="Select all shown"
                checked={selection.hasAll}
                onChange={selection.toggleAll}
              />
            </th>
            <th scope="col">State</th>
            <th scope="col">Job</th>
            <th scope="col">Triggered</th>
            {columns.map((name) => (
              <th key={name} scope="col" className={lookOf(name)}>
                {CELLS[name].title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {rows.map((run) => (
            <Row key={run.id} run={run} columns={columns} selection={selection} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

type RowProps = {
  run: Run
  columns: readonly ColumnName[]
  selection: Selection
}

function Row({ run, columns, selection }: RowProps) {
  const { id, status, job_slug, job_version, created_at } = run
  const isSelected = selection.has(id)
  return (
    <tr className={isSelected ? styles.selected : ''}>
      <td>
        <input
          type="checkbox"
          aria-label={`Select run ${shortId(id)}`}
          checked={isSelected}
          onChange={({ nativeEvent }) => (isWithShift(nativeEvent) ? selection.extendTo(id) : selection.toggle(id))}
        />
      </td>
      <td>
        <StateChip state={status} />
      </td>
      <td className={styles.job}>
        <Link to="/runs/$run_id" params={{ run_id: id }} data-row="" className={styles.link}>
          {job_slug ?? 'external run'}
        </Link>
        {job_version !== null && <span className={styles.faint}> v{job_version}</span>}
      </td>
      <td className={styles.nowrap}>
        <Time at={created_at} />
      </td>
      {columns.map((name) => (
        <td key={name} className={lookOf(name)} title={name === 'error' ? (run.error ?? '') : undefined}>
          {CELLS[name].cell(run)}
        </td>
      ))}
    </tr>
  )
}

const isWithShift = (event: Event): boolean => event instanceof MouseEvent && event.shiftKey

function Tags({ tags }: { tags: Readonly<Record<string, string>> }) {
  return Object.entries(tags).map(([key, value]) => (
    <Link key={key} to="/runs" search={{ tag: [`${key.replaceAll(':', '\\:')}:${value}`] }} className={styles.tag}>
      {key}={value}
    </Link>
  ))
}

type Cell = { title: string; isRight?: true; look?: string | undefined; cell: (run: Run) => ReactNode }

const CELLS: Record<ColumnName, Cell> = {
  id: { title: 'Id', cell: ({ id }) => <code title={id}>{shortId(id)}</code> },
  took: {
    title: 'Took',
    isRight: true,
    cell: ({ status, created_at, started_at, finished_at }) =>
      started_at && (finished_at !== null || !isOver(status)) ? <Elapsed from={created_at} to={finished_at} /> : '–',
  },
  attempt: { title: 'Attempt', isRight: true, cell: ({ attempt, max_attempts }) => `${attempt}/${max_attempts}` },
  agent: {
    title: 'Agent, tags',
    cell: ({ agent_id, tags }) => (
      <>
        {agent_id !== null && (
          <Link to="/agents/$agent_id" params={{ agent_id }} className={styles.link}>
            {agent_id}
          </Link>
        )}{' '}
        <Tags tags={tags} />
      </>
    ),
  },
  queue: { title: 'Queue', cell: ({ queue }) => queue },
  triggered_by: { title: 'Triggered by', cell: ({ created_by }) => <ActorName {...created_by} /> },
  ended: { title: 'Ended', look: styles.nowrap, cell: ({ finished_at }) => <Time at={finished_at} /> },
  error: {
    title: 'Error',
    look: styles.error,
    cell: ({ status, error, error_code }) =>
      status !== 'completed' &&
      error !== null && (
        <>
          {error_code !== null && <code>{error_code}</code>} {error}
        </>
      ),
  },
}

const lookOf = (name: ColumnName): string =>
  [table.wide, CELLS[name].isRight && table.right, CELLS[name].look].filter(Boolean).join(' ')
