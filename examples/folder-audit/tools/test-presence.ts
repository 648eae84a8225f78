// Which scripts have tests, as far as files can tell: a test of the same name, or at least one that imports them.
import type { Edge } from './import-graph.ts'
import { byMost, isScript, isTest, roomOf, type SourceFile } from './source-file.ts'

export type Presence = { scripts: number; own: number; imported: number; none: number }
export type TestPresence = {
  total: Presence
  byRoom: (Presence & { room: string })[]
  tests: number
  /** Some of those without any. */
  untested: string[]
}

const UNTESTED_MAX = 30

export function checkTests(files: readonly SourceFile[], edges: readonly Edge[]): TestPresence {
  const paths = files.map(({ path }) => path).filter(isScript)
  const scripts = paths.filter((path) => !isTest(path))
  const tests = paths.filter(isTest)
  // What tests begin with is no test itself.
  const tested = new Set(tests.filter((path) => !path.includes('.fixture.')).map(stemOf))
  const imported = new Set(edges.filter((edge) => isTest(edge.from)).map((edge) => edge.to))
  const kindOf = (path: string): Exclude<keyof Presence, 'scripts'> =>
    tested.has(stemOf(path)) ? 'own' : imported.has(path) ? 'imported' : 'none'
  const presenceOf = (some: readonly string[]): Presence => {
    const kinds = some.map(kindOf)
    const count = (kind: string) => kinds.filter((it) => it === kind).length
    return { scripts: some.length, own: count('own'), imported: count('imported'), none: count('none') }
  }
  return {
    total: presenceOf(scripts),
    byRoom: [...Map.groupBy(scripts, roomOf)]
      .map(([room, some]) => ({ room, ...presenceOf(some) }))
      .sort(
        byMost(
          (it) => it.none,
          (it) => it.room,
        ),
      ),
    tests: tests.length,
    untested: scripts.filter((path) => kindOf(path) === 'none').slice(0, UNTESTED_MAX),
  }
}

/** `room/a.ts`, `room/a.test.ts` and `room/test/a.ts` have the same. */
const stemOf = (path: string): string =>
  path.replace(/(^|\/)(?:tests?|__tests__)\//g, '$1').replace(/(?:\.(?:test|spec|fixture))?\.[cm]?[jt]sx?$/, '')
