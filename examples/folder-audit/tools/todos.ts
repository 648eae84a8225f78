// Finds what somebody meant to come back to: the usual marks, in comments.
import { linesOf, type SourceFile } from './source-file.ts'

export type Todo = { path: string; line: number; mark: string; text: string; hasIssue: boolean }
export type Todos = { found: Todo[]; total: number; withoutIssue: number }

const FOUND_MAX = 50
const TEXT_LENGTH_MAX = 160

// After the mark a word ends, so that no name that merely begins like one is taken for it.
const MARK = /(?:\/\/|\/\*|^\s*\*|#|--|<!--).*?\b(TODO|FIXME|HACK|XXX)\b[:\s)(]*(.*)/

export function findTodos(files: readonly SourceFile[]): Todos {
  const all = files.flatMap(({ path, text }) =>
    linesOf(text).flatMap((line, index): Todo[] => {
      // Most lines have none, and a search for a plain text is far quicker than the pattern.
      if (!/TODO|FIXME|HACK|XXX/.test(line)) return []
      const [, mark, rest = ''] = MARK.exec(line) ?? []
      if (mark === undefined) return []
      return [{ path, line: index + 1, mark, text: rest.trim().slice(0, TEXT_LENGTH_MAX), hasIssue: /#\d+/.test(rest) }]
    }),
  )
  return {
    found: all.slice(0, FOUND_MAX),
    total: all.length,
    withoutIssue: all.filter((it) => !it.hasIssue).length,
  }
}
