import { Link } from '@tanstack/react-router'
import { type ReactNode, useRef } from 'react'
import type { Run } from '#contract/runs/run.ts'
import { isOver } from '#core/run.ts'
import { useKeys } from '../../frame/keys.ts'
import { shortId } from '../../look/words.ts'
import { ActorName } from '../../parts/id.tsx'
import { StateChip } from '../../parts/state-chip.tsx'
import table from '../../parts/table.module.css'
import { Elapsed, Time } from '../../parts/time.tsx'
import { type ColumnName, useKept } from './kept.ts'
import styles from './runs.module.css'

type RunsTableProps = {
  rows: readonly Run[]
  selected: ReadonlySet<string>
  onSelect: (next: ReadonlySet<string>) => void
}

export function RunsTable({ rows, selected, onSelect }: RunsTableProps) {
  const body = useRef<HTMLTableSectionElement>(null)
  const links = () => [...(body.current?.querySelectorAll<HTMLAnchorElement>('a[data-row]') ?? [])]
  const focused = () => links().findIndex((link) => link.matches(':focus'))
  const step = (by: number) => {
    const all = links()
    const at = focused()
    all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + by))]?.focus()
  }
  const toggle = (ids: readonly string[], isOn: boolean) => {
    const next = new Set(selected)
    for (const id of ids)
      if (isOn) next.add(id)
      else next.delete(id)
    onSelect(next)
  }
  const toggleFocused = () => {
    const row = rows[focused()]
    if (row) toggle([row.id], !selected.has(row.id))
  }
  const { columns } = useKept()
  const all = rows.map(({ id }) => id)
  const isAll = all.length > 0 && all.every((id) => selected.has(id))
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    x: toggleFocused,
    'Shift+x': () => toggle(all, !isAll),
    Escape: () => onSelect(new Set()),
  })
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
                checked={isAll}
                onChange={() => toggle(all, !isAll)}
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
            <Row
              key={run.id}
              run={run}
              columns={columns}
              isSelected={selected.has(run.id)}
              onToggle={(isOn) => toggle([run.id], isOn)}
            />
          ))}
        </tbody>
      </table>
    </div>
  )
}

type RowProps = {
  run: Run
  columns: readonly ColumnName[]
  isSelected: boolean
  onToggle: (isOn: boolean) => void
}

function Row({ run, columns, isSelected, onToggle }: RowProps) {
  const { id, status, job_slug, job_version, created_at } = run
  return (
    <tr className={isSelected ? styles.selected : ''}>
      <td>
        <input
          type="checkbox"
          aria-label={`Select run ${shortId(id)}`}
          checked={isSelected}
          onChange={({ target }) => onToggle(target.checked)}
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
