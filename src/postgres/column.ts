// Columns on their way into unnest(). The array literal is written here, because the driver walks and escapes every
// element of every array by recursion: that was a tenth of the cost of a run.
const PLAIN = /^[A-Za-z0-9_.:+-]+$/
const NEEDS_ESCAPE = /[\\"]/g

type Cell = string | number | null | undefined

/** The literal of an array. A column of nothing but nulls is sent empty, and unnest pads it. */
export const column = (values: readonly Cell[]): string => columnOf(values, (value) => value)

/** The same of what each item has there. */
export function columnOf<Item>(items: readonly Item[], of: (item: Item) => Cell): string {
  let text = ''
  let allNull = true
  for (const item of items) {
    const value = of(item)
    text += text === '' ? '{' : ','
    if (value === null || value === undefined) text += 'NULL'
    else {
      allNull = false
      text += typeof value === 'number' ? value : element(value)
    }
  }
  return allNull ? '{}' : `${text}}`
}

/** Quoted unless it is plain; a plain word of four letters could be read as NULL. */
const element = (value: string): string =>
  value.length !== 4 && PLAIN.test(value) ? value : `"${value.replace(NEEDS_ESCAPE, '\\$&')}"`
