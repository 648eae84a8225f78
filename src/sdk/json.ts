// What a value is once it has been JSON: how steps keep their results, and runs theirs.

type Primitive = string | number | boolean | null

/** The type of a value after it has been stored as JSON and read back: a Date is a string, functions are gone. */
export type Jsonified<T> = unknown extends T
  ? T
  : T extends Primitive | undefined
    ? T
    : T extends { toJSON: () => infer Json }
      ? Jsonified<Json>
      : T extends ((...args: never[]) => unknown) | symbol | bigint
        ? never
        : T extends object
          ? { [Key in keyof T]: Jsonified<T[Key]> }
          : T

/** Maximum nesting that the server stores. */
const DEPTH_MAX = 100

/** JSON text of a value; throws a TypeError that says where the value is not JSON. Undefined for undefined. */
export function jsonText(value: unknown, what: string): string | undefined {
  const problem = problemOf(value, { path: '', depth: 0, above: [] })
  if (problem !== undefined) throw new TypeError(`${what} is not JSON: ${problem}`)
  return JSON.stringify(value)
}

type Place = { path: string; depth: number; above: readonly object[] }

/** JSON.stringify would drop, replace or empty these without a word. */
function problemOf(value: unknown, { path, depth, above }: Place): string | undefined {
  const at = path === '' ? 'it' : path.replace(/^\./, '')
  if (typeof value === 'number' && !Number.isFinite(value)) return `${at} is ${value}`
  if (typeof value === 'bigint' || typeof value === 'function' || typeof value === 'symbol')
    return `${at} is a ${typeof value}`
  if (typeof value !== 'object' || value === null) return undefined
  if ('toJSON' in value && typeof value.toJSON === 'function')
    return problemOf(value.toJSON(), { path, depth: depth + 1, above })
  if (above.includes(value)) return `${at} contains itself`
  if (depth >= DEPTH_MAX) return `${at} is nested more than ${DEPTH_MAX} deep`
  for (const kind of [Map, Set, WeakMap, WeakSet, Promise, RegExp, Error, ArrayBuffer]) {
    if (value instanceof kind || ArrayBuffer.isView(value)) return `${at} is a ${value.constructor.name}`
  }
  const below = [...above, value]
  for (const [key, item] of Object.entries(value)) {
    const name = Array.isArray(value) ? `[${key}]` : `.${key}`
    const problem = problemOf(item, { path: path + name, depth: depth + 1, above: below })
    if (problem !== undefined) return problem
  }
  return undefined
}
