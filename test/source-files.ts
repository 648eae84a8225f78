// The source text, as the tests of the walls read it.
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

/** `imports`: the files of `src/` that it imports. `room` is empty for the files of the process. */
export type SourceFile = { path: string; room: string; text: string; imports: string[] }

export const filesOf = (pattern: string): SourceFile[] => globSync(pattern).map(read)

export const roomOf = (path: string): string => (path.split('/').length > 2 ? path.split('/')[1]! : '')

function read(path: string): SourceFile {
  const text = readFileSync(path, 'utf8')
  const named = [...text.matchAll(/(?:from|import\() ?'((?:#|\.\.?\/)[^']+)'/g)].map((found) => found[1]!)
  const imports = named.map((name) => (name.startsWith('#') ? `src/${name.slice(1)}` : join(dirname(path), name)))
  return { path, room: roomOf(path), text, imports: imports.map(normalize).filter((other) => other.startsWith('src/')) }
}

/** The text without its comments: prose quotes names in backticks. */
export function code(text: string): string {
  return text.replace(/^\s*(\/\/|\*|\/\*\*).*$/gm, '').replace(/\s\/\/ .*$/gm, '')
}

/** The strongly connected parts of more than one file (Tarjan). */
export function cyclesOf(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const index = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const found: string[][] = []
  function visit(path: string): void {
    index.set(path, index.size)
    low.set(path, index.get(path)!)
    stack.push(path)
    for (const next of imports.get(path) ?? []) {
      if (!index.has(next)) {
        visit(next)
        low.set(path, Math.min(low.get(path)!, low.get(next)!))
      } else if (stack.includes(next)) low.set(path, Math.min(low.get(path)!, index.get(next)!))
    }
    if (low.get(path) !== index.get(path)) return
    const cycle = stack.splice(stack.indexOf(path))
    if (cycle.length > 1) found.push(cycle)
  }
  for (const path of imports.keys()) if (!index.has(path)) visit(path)
  return found
}
