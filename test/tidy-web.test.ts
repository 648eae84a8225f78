// The walls of the console, read from the source text: see docs/decisions/0026-console.md.
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'

const LINES_MAX = 300
const FILES_MAX = 25

const files = globSync('web/**/*.{ts,tsx,css}')
  .filter((path) => !path.startsWith('web/dist/'))
  .map((path) => ({ path, text: readFileSync(path, 'utf8') }))
const code = files.filter(({ path }) => /\.tsx?$/.test(path) && !path.endsWith('.test.ts'))
const importsOf = (text: string): string[] =>
  [...text.matchAll(/^(?:import|export) [^'\n]*(?:\n[^'\n]*)*?from '([^']+)'/gm)].map((found) => found[1]!)

describe('the source of the console', () => {
  test('uses the SDK and pure rules of the server, and of the contract only the types', () => {
    const broken = code.flatMap(({ path, text }) =>
      [...text.matchAll(/^import (type )?[^'\n]*(?:\n[^'\n]*)*?from '(#[^']+)'/gm)]
        .filter(([, isType, name]) =>
          name!.startsWith('#contract/') ? !isType : !name!.startsWith('#core/') && !name!.startsWith('#sdk/'),
        )
        .map(([, , name]) => `${path} imports ${name}`),
    )
    expect(broken).toEqual([])
  })

  test('screens use parts and never each other, but for the filters of a list that another one leads to', () => {
    const screenOf = (path: string) => /^web\/screens\/([\w-]+)\//.exec(path)?.[1]
    const broken = code.flatMap(({ path, text }) =>
      importsOf(text)
        .filter((name) => name.startsWith('.'))
        .map((name) => normalize(join(dirname(path), name)))
        .filter((other) => screenOf(path) && screenOf(other) && screenOf(path) !== screenOf(other))
        .filter((other) => !other.endsWith('/filters.ts'))
        .map((other) => `${path} imports ${other}`),
    )
    expect(broken).toEqual([])
  })

  test('parts know nothing of screens', () => {
    const broken = code.filter(
      ({ path, text }) =>
        /^web\/(parts|look|api|live)\//.test(path) && importsOf(text).some((name) => name.includes('/screens/')),
    )
    expect(broken.map(({ path }) => path)).toEqual([])
  })

  test('every part has its fixtures', () => {
    const shown = new Set(
      code
        .filter(({ path }) => path.startsWith('web/kit/'))
        .flatMap(({ path, text }) => importsOf(text).map((name) => normalize(join(dirname(path), name)))),
    )
    const parts = code.map(({ path }) => path).filter((path) => /^web\/parts\/[\w/-]+\.tsx$/.test(path))
    expect(parts.filter((path) => !shown.has(path))).toEqual([])
  })

  test('fixtures are in the fixtures page alone', () => {
    const broken = code.filter(
      ({ path, text }) => !path.startsWith('web/kit/') && importsOf(text).some((name) => name.includes('/kit/')),
    )
    expect(broken.map(({ path }) => path)).toEqual([])
  })

  test('never turns text into markup', () => {
    const found = code.filter(({ text }) => /dangerouslySetInnerHTML|innerHTML|insertAdjacentHTML|\beval\(/.test(text))
    expect(found.map(({ path }) => path)).toEqual([])
  })

  test('asks no other host: no address of one stands in it', () => {
    const found = files.filter(({ text }) => /https?:\/\/(?!127\.0\.0\.1|www\.w3\.org)/.test(text))
    expect(found.map(({ path }) => path)).toEqual([])
  })

  test('colours stand in the tokens alone', () => {
    const found = files.filter(
      ({ path, text }) =>
        path.endsWith('.module.css') &&
        /#[0-9a-f]{3,8}\b|rgba?\(|(?<!color-mix\(in )oklch\((?!0 0 0 \/|0\.2 0\.02 255 \/)/i.test(text),
    )
    expect(found.map(({ path }) => path)).toEqual([])
  })

  test('no file is longer than a reader can hold in mind, and no folder fuller', () => {
    const long = files.filter(({ path, text }) => text.split('\n').length > LINES_MAX && !path.endsWith('.test.ts'))
    expect(long.map(({ path }) => path)).toEqual([])
    const counts = new Map<string, number>()
    for (const { path } of code) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1)
    expect([...counts].filter(([, count]) => count > FILES_MAX)).toEqual([])
  })

  test('every screen has a route, and the server answers each of its paths with the page', () => {
    const textOf = (path: string) => readFileSync(path, 'utf8')
    const namesIn = (text: string, pattern: RegExp) =>
      [...new Set([...text.matchAll(pattern)].map((it) => it[1]!))].sort()
    const routed = namesIn(textOf('web/router.tsx'), /path: '\/([\w-]+)/g)
    const [, listed] = /const SCREENS = \[([^\]]*)\]/.exec(textOf('src/http/console/console-routes.ts'))!
    expect(namesIn(listed!, /'([\w-]+)'/g)).toEqual(routed)
    const onRail = namesIn(textOf('web/frame/screens.ts'), /\{ path: '\/([\w-]+)'/g)
    expect(onRail).toEqual(routed.filter((name) => name !== 'sign-in'))
  })

  test('nothing is exported by default, but what a tool wants so', () => {
    const found = code.filter(({ path, text }) => /^export default/m.test(text) && path !== 'web/vite.config.ts')
    expect(found.map(({ path }) => path)).toEqual([])
  })

  test('every export has a reader', () => {
    const words = new Map<string, number>()
    const all = [...code, ...globSync('web/**/*.test.ts').map((path) => ({ path, text: readFileSync(path, 'utf8') }))]
    for (const { text } of all)
      for (const word of new Set(text.match(/[A-Za-z_]\w*/g))) words.set(word, (words.get(word) ?? 0) + 1)
    const dead = code.flatMap(({ path, text }) =>
      [...text.matchAll(/^export (?:async )?(?:const|function\*?|type|class) (\w+)/gm)]
        .map((found) => found[1]!)
        .filter((name) => words.get(name) === 1 && text.split(new RegExp(`\\b${name}\\b`)).length === 2)
        .map((name) => `${path} exports ${name}`),
    )
    expect(dead).toEqual([])
  })
})
