// Between the words of the wire (snake_case, RFC 3339) and ours.
type Snake<S extends string> = S extends `${infer A}${infer B}`
  ? `${A extends Lowercase<A> ? A : `_${Lowercase<A>}`}${Snake<B>}`
  : S
type Camel<S extends string> = S extends `${infer A}_${infer B}` ? `${A}${Capitalize<Camel<B>>}` : S

export type Snaked<T> = {
  [K in keyof T as K extends string ? Snake<K> : K]: T[K] extends Date
    ? string
    : T[K] extends Date | null
      ? string | null
      : T[K]
}
export type Cameled<T> = { [K in keyof T as K extends string ? Camel<K> : K]: T[K] }

const snakeNames = new Map<string, string>()
const camelNames = new Map<string, string>()

function rename(names: Map<string, string>, name: string, make: (name: string) => string): string {
  const known = names.get(name)
  if (known !== undefined) return known
  const made = make(name)
  // Only names that stand in our code come here: the map cannot grow with what clients send.
  names.set(name, made)
  return made
}

/** The top level in snake_case, with its dates as text; what is inside is the client's own and stays as it is. */
export function toWire<T extends object>(row: T): Snaked<T> {
  const wire: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(row)) {
    wire[rename(snakeNames, key, (it) => it.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))] =
      value instanceof Date ? value.toISOString() : value
  }
  return wire as Snaked<T>
}

/** The top level of a checked input in our own names. */
export function fromWire<T extends object>(input: T): Cameled<T> {
  const ours: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(input)) {
    ours[rename(camelNames, key, (it) => it.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()))] = value
  }
  return ours as Cameled<T>
}

export const iso = (at: Date | null): string | null => at?.toISOString() ?? null

export type Label = [key: string, value: string | undefined]

/** No key of a tag or of metadata is longer. */
const LABEL_KEY_LENGTH_MAX = 128

/**
 * What a `key:value` or `key` of a query may mean, the likeliest first. Keys may hold colons themselves: then it is split
 * at each of them in turn. Where one has a backslash before it, the first colon without one parts key and value.
 */
export function labelsMeant(text: string): Label[] {
  const colons = [...text.matchAll(/\\:|:/g)]
  const plain = colons.filter((it) => it[0] === ':').map((it) => it.index)
  const splitAt = (at: number): Label => [text.slice(0, at), text.slice(at + 1)]
  if (colons.length > plain.length) {
    const [key, value] = plain.length > 0 ? splitAt(plain[0]!) : [text, undefined]
    return [[unescaped(key), value === undefined ? undefined : unescaped(value)]]
  }
  return [...plain.filter((at) => at <= LABEL_KEY_LENGTH_MAX).map(splitAt), [text, undefined]]
}

const unescaped = (text: string): string => text.replaceAll('\\:', ':')
