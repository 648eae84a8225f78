import { expect, test } from 'vitest'
import { findingsOf } from './findings.ts'
import { reportOf } from './report.ts'
import { Payload, type Results } from './results.ts'
import { findDuplicates } from './tools/duplicates.ts'
import { checkHeaders } from './tools/headers.ts'
import { importGraph, resolveImports } from './tools/import-graph.ts'
import { largestFiles } from './tools/largest-files.ts'
import { countLines } from './tools/line-counts.ts'
import { checkTests } from './tools/test-presence.ts'
import { findTodos } from './tools/todos.ts'

const files = [
  { path: 'a/one.ts', text: `// One.\nimport '../b/two.ts'\nimport './gone.ts'\n// ${'TODO'}: a | b\n` },
  { path: 'b/two.ts', text: `import '../a/one.ts'\n` },
  { path: 'odd`name.ts', text: 'x\n'.repeat(301) },
]

const results: Partial<Results> = {
  list: { files: [], folders: 2, skipped: { links: 1, folders: 0, large: 2, other: 1 }, truncated: false },
  lines: countLines(files),
  largest: largestFiles(files),
  imports: importGraph(files),
  tests: checkTests(files, resolveImports(files).edges),
  duplicates: findDuplicates(files),
  todos: findTodos(files),
  headers: checkHeaders(files, { files: [], ofPackage: undefined }),
  collect: { children: [{ folder: 'src/a', runId: 'r', status: 'failed', result: null }] },
  summary: { model: 'a-model', text: 'Begin with the circle.' },
}

test('findings are sentences, and there are none when nothing was found', () => {
  expect(findingsOf(results)).toEqual([
    '1 import of files that are not there.',
    '1 circle of imports.',
    'No licence was found.',
    '3 of 3 scripts have no test of their own and none that imports them.',
    '1 file is longer than 300 lines.',
    '1 mark of unfinished work, 1 without an issue.',
    '2 scripts do not say at the head what they are for.',
    'The part src/a was not audited: its run is failed.',
  ])
  expect(findingsOf({})).toEqual([])
})

test('the report has its findings first, and its tables survive any file name', () => {
  const report = reportOf({ folder: 'src', results })
  const heads = [...report.matchAll(/^#+ .*$/gm)].map(([head]) => head)
  expect(heads.slice(0, 4)).toEqual(['# Audit of `src`', '## Findings', '## What a-model says', '## Parts'])
  expect(report).toContain('3 files, 306 lines. Left out: 1 link, 2 large files, 1 odd entry.')
  expect(report).toContain('| `src/a` | `r` | failed | – | – | – |')
  expect(report).toContain('| `a/one.ts:4` | TODO | a \\| b |')
  expect(report).toContain('`` odd`name.ts ``')
  // Each row of a table has as many cells as its head.
  for (const [block] of report.matchAll(/(?:^\|.*\n)+/gm)) {
    const widths = block
      .trim()
      .split('\n')
      .map((row) => row.replaceAll('\\|', '').split('|').length)
    expect(new Set(widths).size).toBe(1)
  }
})

test('an empty folder makes a short report', () => {
  const empty = {
    lines: countLines([]),
    largest: largestFiles([]),
    imports: importGraph([]),
    tests: checkTests([], []),
  }
  expect(reportOf({ folder: 'src', results: empty })).toMatch(/0 files, 0 lines\.[\s\S]*Nothing to complain about\./)
})

test.each([
  [{}, { folder: 'src', pace_ms: 0, ask_secs: 0 }],
  [{ folder: 'a', parent: 'r', pace_ms: 10_000, ask_secs: 20 }, undefined],
  [{ folder: '' }, 'folder'],
  [{ pace_ms: 1e9 }, 'pace_ms'],
  [{ ask_secs: 1.5 }, 'ask_secs'],
  [{ folders: 'a' }, ''],
])('the payload %j is read, or refused by its field', (payload, expected) => {
  const { data, error } = Payload.safeParse(payload)
  if (typeof expected === 'string') expect(error?.issues[0]?.path.join('.')).toBe(expected)
  else expect(data).toEqual(expected ?? payload)
})
