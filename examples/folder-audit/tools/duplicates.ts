// Finds blocks that stand in the sources twice: runs of at least eight equal lines, apart from indentation, blank
// lines, comments and imports, which are alike everywhere.
import { byMost, isScript, linesOf, type SourceFile } from './source-file.ts'

export type Place = { path: string; from: number; to: number }
export type Duplicate = { lines: number; first: Place; second: Place; sample: string }
export type Duplicates = { found: Duplicate[]; total: number; lines: number }

const WINDOW = 8
const DISTINCT_MIN = 5
const FOUND_MAX = 20
const SAMPLE_LENGTH_MAX = 100

type Line = { text: string; number: number }
type Spot = { file: number; at: number }

export function findDuplicates(files: readonly SourceFile[]): Duplicates {
  const scripts = files.filter(({ path }) => isScript(path))
  const linesOfFile = scripts.map(({ text }) => significantLines(text))
  const seen = new Map<string, Spot>()
  const all: Duplicate[] = []
  linesOfFile.forEach((lines, file) => {
    for (let at = 0; at + WINDOW <= lines.length; at++) {
      const window = lines.slice(at, at + WINDOW).map((line) => line.text)
      // The same few lines again and again are a pattern, which is alike wherever it begins.
      if (new Set(window).size < DISTINCT_MIN) continue
      const key = window.join('\n')
      const earlier = seen.get(key)
      if (!earlier) {
        seen.set(key, { file, at })
        continue
      }
      const length = equalLength(linesOfFile, earlier, { file, at })
      // A block that runs into its own copy is a pattern of one place, not two places.
      if (length < WINDOW) continue
      all.push({
        lines: length,
        first: placeOf(scripts[earlier.file]!.path, linesOfFile[earlier.file]!, earlier.at, length),
        second: placeOf(scripts[file]!.path, lines, at, length),
        sample: lines[at]!.text.slice(0, SAMPLE_LENGTH_MAX),
      })
      at += length - 1
    }
  })
  return {
    found: all
      .sort(
        byMost(
          (it) => it.lines,
          (it) => it.second.path,
        ),
      )
      .slice(0, FOUND_MAX),
    total: all.length,
    lines: all.reduce((sum, it) => sum + it.lines, 0),
  }
}

// A list of imported names may go over many lines, and is alike in files that use the same things.
const IMPORTS = /^[ \t]*(?:import|export)\b[^'"`;()=]*?\bfrom\s*['"][^'"\n]+['"]/gm

function significantLines(text: string): Line[] {
  const rest = text.replaceAll(IMPORTS, (statement) => statement.replaceAll(/[^\r\n]/g, ''))
  return linesOf(rest)
    .map((line, index) => ({ text: line.trim(), number: index + 1 }))
    .filter(({ text }) => text.length > 0 && !/^(\/\/|\/\*|\*|import\b|export \* from|[\])}(,;]+$)/.test(text))
}

function equalLength(linesOfFile: readonly Line[][], a: Spot, b: Spot): number {
  const [linesA, linesB] = [linesOfFile[a.file]!, linesOfFile[b.file]!]
  const most = a.file === b.file ? b.at - a.at : linesA.length
  let length = 0
  while (
    length < most &&
    a.at + length < linesA.length &&
    b.at + length < linesB.length &&
    linesA[a.at + length]!.text === linesB[b.at + length]!.text
  )
    length++
  return length
}

const placeOf = (path: string, lines: readonly Line[], at: number, length: number): Place => ({
  path,
  from: lines[at]!.number,
  to: lines[at + length - 1]!.number,
})
