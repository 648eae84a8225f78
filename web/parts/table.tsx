// The table of every list: a row is a link in its first cell, columns that do not fit below 800 px leave.
import type { ReactNode } from 'react'
import styles from './table.module.css'

export type Column<T> = {
  name: string
  cell: (row: T) => ReactNode
  /** Numbers stand right. */
  right?: boolean
  /** Left out on a narrow screen. */
  wide?: boolean
}

type TableProps<T> = {
  label: string
  columns: readonly Column<T>[]
  rows: readonly T[]
  keyOf: (row: T) => string
}

export function Table<T>({ label, columns, rows, keyOf }: TableProps<T>) {
  return (
    // The table scrolls by itself where it is too wide; a region that scrolls can be reached by key.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: see above.
    // biome-ignore lint/a11y/useSemanticElements: it groups no fields.
    <div role="group" className={styles.scroll} aria-label={label} tabIndex={0}>
      <table className={styles.table}>
        <thead>
          <tr>
            {/* A column of buttons has no name, and a heading without one would be read as nothing. */}
            {columns.map(({ name, right, wide }) =>
              name === '' ? (
                <td key={name} className={cellClass(right, wide)} />
              ) : (
                <th key={name} scope="col" className={cellClass(right, wide)}>
                  {name}
                </th>
              ),
            )}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ name, cell, right, wide }) => (
                <td key={name} className={cellClass(right, wide)}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

const cellClass = (right = false, wide = false): string =>
  [right && styles.right, wide && styles.wide].filter(Boolean).join(' ')
