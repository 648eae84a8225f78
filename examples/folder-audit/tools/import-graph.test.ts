import { describe, expect, test } from 'vitest'
import { importGraph, resolveImports } from './import-graph.ts'
import { readImports } from './imports.ts'

describe('the imports of a script', () => {
  test.each([
    [`import a from './a.ts'`, './a.ts', false],
    [`import { b, type C } from "./b.ts"`, './b.ts', false],
    [`import * as d from './d.ts'`, './d.ts', false],
    [`import e, {\n  f,\n  g as h,\n} from './e.ts'`, './e.ts', false],
    [`export { i } from './i.ts'`, './i.ts', false],
    [`export * from './j.ts'`, './j.ts', false],
    [`export * as k from './k.ts'`, './k.ts', false],
    [`import './side.ts'`, './side.ts', false],
    [`const l = await import('./l.ts')`, './l.ts', false],
    [`const m = require('./m.js')`, './m.js', false],
    [`import type { N } from './n.ts'`, './n.ts', true],
    [`export type { O } from './o.ts'`, './o.ts', true],
    [`import { type P, type Q } from './p.ts'`, './p.ts', true],
  ])('finds the import %s', (text, from, typeOnly) => {
    expect(readImports(`const before = 'x'\n${text}\nafter()`)).toEqual([{ from, typeOnly }])
  })

  test.each([
    `// import a from './a.ts'`,
    `/*\nimport a from './a.ts'\n*/`,
    `const text = "import a from './a.ts'"`,
    `export const from = 'x'`,
    `export function f() { return 'from' }`,
  ])('finds no import in %s', (text) => {
    expect(readImports(text)).toEqual([])
  })
})

const names = { aliases: [{ prefix: '#', suffix: '', target: '', targetSuffix: '' }], folderName: 'src' }

test('relative paths and aliases lead to files, with or without an extension', () => {
  const { edges, broken } = resolveImports(
    [
      {
        path: 'a/one.ts',
        text: `import './two.js'\nimport '../b'\nimport '#b/three.ts'\nimport './gone.ts'\nimport '../../out.ts'`,
      },
      { path: 'a/two.ts', text: '' },
      { path: 'b/index.ts', text: '' },
      { path: 'b/three.ts', text: '' },
      { path: '../test/three.ts', text: `import '../src/b/three.ts'\nimport './other.ts'` },
    ],
    names,
  )
  expect(edges.map((edge) => edge.to)).toEqual(['a/two.ts', 'b/index.ts', 'b/three.ts', 'b/three.ts'])
  expect(broken).toEqual([{ path: 'a/one.ts', from: './gone.ts' }])
})

test('rooms, packages and cycles are reported; type imports make no cycle', () => {
  const graph = importGraph(
    [
      { path: 'core/run.ts', text: `import type { X } from '#storage/sql.ts'\nimport { y } from './y.ts'` },
      { path: 'core/y.ts', text: `import { run } from './run.ts'\nimport { z } from '@scope/z/deep.js'` },
      {
        path: 'storage/sql.ts',
        text: `import { run } from '#core/run.ts'\nimport { readFile } from 'node:fs/promises'`,
      },
      { path: 'storage/sql.test.ts', text: `import '#core/y.ts'\nimport '#core/run.ts'` },
    ],
    names,
  )
  expect(graph.modules).toBe(4)
  expect(graph.cycles).toEqual([['core/run.ts', 'core/y.ts']])
  expect(graph.rooms).toEqual([
    { from: 'core', to: 'storage', imports: 1 },
    { from: 'storage', to: 'core', imports: 1 },
  ])
  expect(graph.mostImported[0]).toEqual({ path: 'core/run.ts', importers: 3 })
  expect(graph.packages.map((it) => it.name)).toEqual(['@scope/z', 'node:fs/promises'])
})

test('an import of types and values counts as one of values', () => {
  const text = `import type { A } from './a.ts'\nimport { a } from './a.ts'`
  const files = [
    { path: 'b.ts', text },
    { path: 'a.ts', text: `import { b } from './b.ts'` },
  ]
  expect(importGraph(files).cycles).toEqual([['a.ts', 'b.ts']])
})
