// Rows on their way into a statement, in which a column is one line: its name, its type and its value.
// The text depends on the names alone, so that a statement has one plan for any number of rows.
import type postgres from 'postgres'
import { column } from './column.ts'
import { type Db, type Fragment, joined } from './sql.ts'

type ColumnType = 'bigint' | 'boolean' | 'date' | 'float8' | 'int' | 'text' | 'timestamptz' | 'uuid'
/** Of each column `name type`, and its value in the row of an item. */
type Columns<T> = Record<`${string} ${ColumnType}`, (item: T) => string | number | null | undefined>

/**
 * The items as rows to select from. `{ 'id uuid': (it) => it.id, 'name text': (it) => it.name }` becomes
 * `unnest($1::uuid[], $2::text[]) as t (id, name)`.
 */
export const rowsOf = <T>(sql: Db, items: readonly T[], columns: Columns<T>, as = 't'): Fragment =>
  sql`${unnested(sql, items, columns)} ${sql.unsafe(`as ${as} (${namesOf(columns).join(', ')})`)}`

/** The same with a last column `ord` that numbers the rows from 1, in the order of the items. */
export const orderedRowsOf = <T>(sql: Db, items: readonly T[], columns: Columns<T>, as = 't'): Fragment =>
  sql`${unnested(sql, items, columns)} ${sql.unsafe(`with ordinality as ${as} (${namesOf(columns).join(', ')}, ord)`)}`

function unnested<T>(sql: Db, items: readonly T[], columns: Columns<T>): Fragment {
  const arrays = Object.entries(columns).map(([name, value], index) => {
    const array = sql`${column(items.map(value))}${sql.unsafe(`::${name.slice(name.lastIndexOf(' ') + 1)}[]`)}`
    return index === 0 ? array : sql`, ${array}`
  })
  return sql`unnest(${joined(sql, arrays)})`
}

const namesOf = (columns: object): string[] => Object.keys(columns).map((name) => name.slice(0, name.lastIndexOf(' ')))

type Values = Record<string, postgres.ParameterOrFragment<never>>

/** One row to insert: `{ id, at: sql\`now()\` }` becomes `(id, at) values ($1, now())`. */
export const valuesOf = (sql: Db, row: Values): Fragment =>
  sql`(${sql.unsafe(Object.keys(row).join(', '))}) values (${listed(
    sql,
    Object.values(row).map((value) => sql`${value}`),
  )})`

const listed = (sql: Db, fragments: readonly Fragment[]): Fragment =>
  joined(
    sql,
    fragments.map((fragment, index) => (index === 0 ? fragment : sql`, ${fragment}`)),
  )
