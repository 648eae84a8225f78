// Statements whose text is put together once. What stands in the text of a hot statement does not depend on its input:
// to write it anew for each call, with all its fragments, took half of this process's time for a batch of one.
import { own } from '#core/own.ts'
import { type Db, type Fragment, pen } from './sql.ts'

type Value = string | number | boolean | null

/** What a statement is executed with: a value for each of its slots. */
export type Values = Readonly<Record<string, Value>>

const slots = new WeakMap<object, string>()

/** Where a value of each execution goes. Not the value: that is not known when the text is written. */
export function slot(sql: Db, name: string): Fragment {
  const place = sql``
  slots.set(place, name)
  return place
}

/**
 * A statement that `write` writes at the first use, and that each connection prepares at its own first use. Its fragments
 * may hold slots and no values: a value would be that of the first call for ever.
 */
export function statement<Row extends object>(
  write: (sql: Db) => Fragment,
): (sql: Db, values: Values) => Promise<readonly Row[]> {
  let made: { text: string; names: string[] } | undefined
  return async (sql, values) => {
    made ??= rendered(write(pen))
    return sql.unsafe<Row[]>(
      made.text,
      made.names.map((name) => given(values, name)),
      { prepare: true },
    )
  }
}

function given(values: Values, name: string): Value {
  const value = own(values, name)
  if (value === undefined) throw new Error(`the statement has a slot ${name}, and there is no value for it`)
  return value
}

type Piece = { strings: readonly string[]; args: readonly unknown[] }

const isPiece = (arg: unknown): arg is Piece => arg instanceof Promise && 'strings' in arg && 'args' in arg
const isName = (arg: unknown): arg is { value: string } =>
  typeof arg === 'object' && arg !== null && arg.constructor.name === 'Identifier' && 'value' in arg

/** The text of a statement with its fragments, and its slots in the order of the parameters. */
function rendered(whole: unknown): { text: string; names: string[] } {
  const names: string[] = []
  const parameterOf = (name: string) => {
    if (!names.includes(name)) names.push(name)
    return `$${names.indexOf(name) + 1}`
  }
  const textOf = (arg: unknown): string => {
    if (isName(arg)) return arg.value
    if (!isPiece(arg)) throw new Error(`a statement that is written once holds the value ${String(arg)}`)
    const name = slots.get(arg)
    if (name !== undefined) return parameterOf(name)
    return arg.strings.reduce((text, more, at) => text + textOf(arg.args[at - 1]) + more)
  }
  return { text: textOf(whole), names }
}
