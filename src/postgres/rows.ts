// Rows on their way into a statement, in which a column is one line: its name, its type and its value.
// The text depends on the names alone, so that a statement has one plan for any number of rows.
import type postgres from 'postgres'
import { columnOf } from './column.ts'
import { type Db, type Fragment, joined } from './sql.ts'
import { slot, type Values } from './statement.ts'

type ColumnType = 'bigint' | 'boolean' | 'date' | 'float8' | 'int' | 'text' | 'timestamptz' | 'uuid'
type ValueOf<T> = (item: T) => string | number | null | undefined
/** Of each column `name type`, and its value in the row of an item. */
export type Columns<T> = Readonly<Record<`${string} ${ColumnType}`, ValueOf<T>>>

/**
 * The items as rows to select from. `{ 'id uuid': (it) => it.id, 'name text': (it) => it.name }` becomes
 * `unnest($1::uuid[], $2::text[]) as t (id, name)`.
 */
export const rowsOf = <T>(sql: Db, items: readonly T[], columns: Columns<T>, as = 't'): Fragment =>
  sql`${unnested(sql, items, columns)} ${sql.unsafe(`as ${as} (${namesOf(columns).join(', ')})`)}`

/** The same with a last column `ord` that numbers the rows from 1, in the order of the items. */
export const orderedRowsOf = <T>(sql: Db, items: readonly T[], columns: Columns<T>, as = 't'): Fragment =>
  sql`${unnested(sql, items, columns)} ${sql.unsafe(`with ordinality as ${as} (${namesOf(columns).join(', ')}, ord)`)}`

/** The same for a statement that is written once: slots take the place of the values, which `slotValuesOf` returns. */
export const slotRowsOf = <T>(sql: Db, columns: Columns<T>): Fragment =>
  sql`${unnestedArrays(sql, columns, (name) => slot(sql, name))} ${sql.unsafe(
    `with ordinality as t (${namesOf(columns).join(', ')}, ord)`,
  )}`

/** By the name and type of each column, which is the name of its slot. */
export const slotValuesOf = <T>(columns: Columns<T>, items: readonly T[]): Values =>
  Object.fromEntries(Object.entries<ValueOf<T>>(columns).map(([name, value]) => [name, columnOf(items, value)]))

const unnested = <T>(sql: Db, items: readonly T[], columns: Columns<T>): Fragment =>
  unnestedArrays(sql, columns, (_, value) => sql`${columnOf(items, value)}`)

function unnestedArrays<T>(
  sql: Db,
  columns: Columns<T>,
  arrayOf: (name: string, value: ValueOf<T>) => Fragment,
): Fragment {
  const arrays = Object.entries<ValueOf<T>>(columns).map(
    ([name, value]) => sql`${arrayOf(name, value)}${sql.unsafe(`::${name.slice(name.lastIndexOf(' ') + 1)}[]`)}`,
  )
  return sql`unnest(${listed(sql, arrays)})`
}

/** Without their types. */
export const namesOf = (columns: object): string[] =>
  Object.keys(columns).map((name) => name.slice(0, name.lastIndexOf(' ')))

type Row = Record<string, postgres.ParameterOrFragment<never>>

/** One row to insert: `{ id, at: sql\`now()\` }` becomes `(id, at) values ($1, now())`. */
export const valuesOf = (sql: Db, row: Row): Fragment =>
  sql`(${sql.unsafe(Object.keys(row).join(', '))}) values (${listed(
    sql,
    Object.values(row).map((value) => sql`${value}`),
  )})`

const listed = (sql: Db, fragments: readonly Fragment[]): Fragment =>
  joined(
    sql,
    fragments.map((fragment, index) => (index === 0 ? fragment : sql`, ${fragment}`)),
  )
