// What a reader should know first: a sentence for each thing that is worth one, the worst first.
import type { Results } from './results.ts'

export function findingsOf(results: Partial<Results>): string[] {
  const { imports, tests, duplicates, todos, largest, headers, collect, list } = results
  return [
    ...(imports?.broken.length ? [`${count(imports.broken.length, 'import')} of files that are not there.`] : []),
    ...(imports?.cycles.length ? [`${count(imports.cycles.length, 'circle')} of imports.`] : []),
    ...(headers && headers.licence.files.length === 0 && headers.spdx === 0 ? ['No licence was found.'] : []),
    ...(tests && tests.total.none > 0
      ? [
          `${tests.total.none} of ${count(tests.total.scripts, 'script')} have no test of their own and none that imports them.`,
        ]
      : []),
    ...(duplicates && duplicates.total > 0
      ? [`${count(duplicates.total, 'block')} of code stand twice, ${count(duplicates.lines, 'line')} in all.`]
      : []),
    ...(largest && largest.over > 0
      ? [`${count(largest.over, 'file')} ${largest.over === 1 ? 'is' : 'are'} longer than ${largest.linesMax} lines.`]
      : []),
    ...(todos && todos.total > 0
      ? [`${count(todos.total, 'mark')} of unfinished work, ${todos.withoutIssue} without an issue.`]
      : []),
    ...(headers && headers.withoutHead > 0
      ? [
          `${count(headers.withoutHead, 'script')} ${headers.withoutHead === 1 ? 'does' : 'do'} not say at the head what they are for.`,
        ]
      : []),
    ...(collect?.children ?? [])
      .filter((child) => child.result === null)
      .map((child) => `The part ${child.folder} was not audited: its run is ${child.status}.`),
    ...(list?.truncated ? ['The folder is larger than an audit reads; the rest was left out.'] : []),
  ]
}

export const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`
