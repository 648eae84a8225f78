// The wire's snake_case names as TypeScript writes them. Only the names of settings: keys of tags and payloads stay.

export type Camel<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name

/** The same fields under camelCase names. */
export type CamelFields<T> = { [Name in keyof T as Name extends string ? Camel<Name> : never]: T[Name] }

const snakeOf = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** The fields that are set, under their wire names. */
export function wireFields(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[snakeOf(name), value]])),
  )
}
