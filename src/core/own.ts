/**
 * The own member of a plain object under a name that came from outside. Never write `of[name]` instead: a name such as
 * `toString` or `__proto__` would find what every object inherits.
 */
export const own = <T>(of: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(of, name) ? of[name] : undefined

/** Whether an object of ours has no values but those of these names. */
export function saysOnly<T extends object>(of: T, names: ReadonlySet<string>): boolean {
  for (const name in of) if (!names.has(name) && of[name] !== undefined) return false
  return true
}

export function isEmpty(of: object): boolean {
  for (const _ in of) return false
  return true
}
