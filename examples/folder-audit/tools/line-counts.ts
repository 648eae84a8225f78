// Counts lines: code, comments and blanks, in all, by kind of file and by room.
import { byMost, extensionOf, linesOf, roomOf, type SourceFile } from './source-file.ts'

export type Count = { files: number; lines: number; code: number; comment: number; blank: number }
export type LineCounts = { total: Count; byExtension: NamedCount[]; byRoom: NamedCount[] }
export type NamedCount = Count & { name: string }

const ROWS_MAX = 30

type Comments = { line: string | undefined; block: readonly [string, string] | undefined }

const SLASHES: Comments = { line: '//', block: ['/*', '*/'] }
const HASH: Comments = { line: '#', block: undefined }
const COMMENTS: Record<string, Comments> = {
  ...Object.fromEntries(
    'ts tsx mts cts js jsx mjs cjs c h cc cpp java go rs swift kt'.split(' ').map((it) => [it, SLASHES]),
  ),
  ...Object.fromEntries('py rb sh bash yml yaml toml'.split(' ').map((it) => [it, HASH])),
  css: { line: undefined, block: ['/*', '*/'] },
  sql: { line: '--', block: ['/*', '*/'] },
  html: { line: undefined, block: ['<!--', '-->'] },
}

export function countLines(files: readonly SourceFile[]): LineCounts {
  const total = newCount()
  const byExtension = new Map<string, Count>()
  const byRoom = new Map<string, Count>()
  for (const file of files) {
    const count = countFile(file)
    const extension = extensionOf(file.path)
    add(total, count)
    add(ofName(byExtension, extension === '' ? '(none)' : `.${extension}`), count)
    add(ofName(byRoom, roomOf(file.path)), count)
  }
  return { total, byExtension: named(byExtension), byRoom: named(byRoom) }
}

/** A line with code and a comment is code; a line within a block comment is a comment, whatever stands in it. */
export function countFile({ path, text }: SourceFile): Count {
  const { line: lineMark, block } = COMMENTS[extensionOf(path)] ?? { line: undefined, block: undefined }
  const count = { ...newCount(), files: 1 }
  let inBlock = false
  for (const raw of linesOf(text)) {
    const line = raw.trim()
    count.lines++
    if (inBlock) {
      count.comment++
      inBlock = !line.includes(block![1])
    } else if (line === '') count.blank++
    else if (lineMark && line.startsWith(lineMark)) count.comment++
    else if (block && line.startsWith(block[0])) {
      count.comment++
      inBlock = !line.slice(block[0].length).includes(block[1])
    } else count.code++
  }
  return count
}

const newCount = (): Count => ({ files: 0, lines: 0, code: 0, comment: 0, blank: 0 })

function add(to: Count, more: Count): void {
  for (const key of Object.keys(to) as (keyof Count)[]) to[key] += more[key]
}

function ofName(counts: Map<string, Count>, name: string): Count {
  const known = counts.get(name) ?? newCount()
  counts.set(name, known)
  return known
}

const named = (counts: ReadonlyMap<string, Count>): NamedCount[] =>
  [...counts]
    .map(([name, count]) => ({ name, ...count }))
    .sort(
      byMost(
        (it) => it.lines,
        (it) => it.name,
      ),
    )
    .slice(0, ROWS_MAX)
