/**
 * The own member of a plain object under a name that came from outside. Never write `of[name]` instead: a name such as
 * `toString` or `__proto__` would find what every object inherits.
 */
export const own = <T>(of: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(of, name) ? of[name] : undefined
