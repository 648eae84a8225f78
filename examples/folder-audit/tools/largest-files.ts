// Finds the files that have grown too long to be read in one go.
import { byMost, linesOf, type SourceFile } from './source-file.ts'

export type LargestFiles = { top: { path: string; lines: number }[]; linesMax: number; over: number }

const TOP = 10

export function largestFiles(files: readonly SourceFile[], linesMax = 300): LargestFiles {
  const sized = files.map(({ path, text }) => ({ path, lines: linesOf(text).length }))
  const top = sized
    .sort(
      byMost(
        (it) => it.lines,
        (it) => it.path,
      ),
    )
    .slice(0, TOP)
  return { top, linesMax, over: sized.filter((it) => it.lines > linesMax).length }
}
