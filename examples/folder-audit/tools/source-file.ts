// What all tools look at. Tools are pure: files in, findings out; reading and recording are done around them.

export type SourceFile = {
  /** Relative to the audited folder, with forward slashes. */
  path: string
  text: string
}

/** The first folder of a path: a room of the house. Files at the top are in the room '.'. */
export const roomOf = (path: string): string => (path.includes('/') ? path.slice(0, path.indexOf('/')) : '.')

export const extensionOf = (path: string): string => /[^/]\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase() ?? ''

export const isScript = (path: string): boolean => /\.[cm]?[jt]sx?$/.test(path) && !path.endsWith('.d.ts')

export const isTest = (path: string): boolean =>
  /(^|\/)(tests?|__tests__)\//.test(path) || /\.(test|spec|fixture)\.[cm]?[jt]sx?$/.test(path)

/** A last line end is the end of the last line, not the beginning of another one. */
export function linesOf(text: string): string[] {
  const lines = text.split(/\r\n|\n|\r/)
  if (lines.at(-1) === '') lines.pop()
  return lines
}

/** The most first; the same order for the same input, whatever came in between. */
export const byMost =
  <T>(amountOf: (item: T) => number, nameOf: (item: T) => string) =>
  (a: T, b: T): number =>
    amountOf(b) - amountOf(a) || (nameOf(a) < nameOf(b) ? -1 : 1)
