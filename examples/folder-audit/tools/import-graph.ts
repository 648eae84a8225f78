// Who imports whom: file to file, room to room, in circles, and from outside.
import { findCycles } from './cycles.ts'
import { readImports } from './imports.ts'
import { byMost, isScript, isTest, roomOf, type SourceFile } from './source-file.ts'

/** `#room/*` and the like: what begins and ends so stands for a path in the audited folder. */
export type Alias = { prefix: string; suffix: string; target: string; targetSuffix: string }

export type ImportGraph = {
  modules: number
  /** Imports between files of the folder, those of types alone included. */
  edges: number
  /** Circles that exist at run time; imports of types alone make none. */
  cycles: string[][]
  /** Imports from one room into another; tests aside, which may look into every room. */
  rooms: { from: string; to: string; imports: number }[]
  mostImported: { path: string; importers: number }[]
  packages: { name: string; importers: number }[]
  /** Imports that name a file of the folder that is not there. */
  broken: { path: string; from: string }[]
}

export type Edge = { from: string; to: string; typeOnly: boolean }

const CYCLES_MAX = 20
const ROWS_MAX = 15
const ROOMS_MAX = 100

/** What names of files mean. */
export type Names = {
  aliases: readonly Alias[]
  /** The audited folder's own name: who imports `../src/a.ts` from beside `src` means `a.ts` in it. */
  folderName: string
}
const NO_NAMES: Names = { aliases: [], folderName: '' }

type Resolved = { edges: Edge[]; packages: Map<string, Set<string>>; broken: { path: string; from: string }[] }

export function importGraph(files: readonly SourceFile[], names = NO_NAMES): ImportGraph {
  const { edges, packages, broken } = resolveImports(files, names)
  const live = edges.filter((edge) => !edge.typeOnly)
  const importers = Map.groupBy(edges, (edge) => edge.to)
  return {
    modules: files.filter(({ path }) => isScript(path)).length,
    edges: edges.length,
    cycles: findCycles(neighbours(live)).slice(0, CYCLES_MAX),
    rooms: roomEdges(edges),
    mostImported: [...importers]
      .map(([path, from]) => ({ path, importers: from.length }))
      .sort(
        byMost(
          (it) => it.importers,
          (it) => it.path,
        ),
      )
      .slice(0, ROWS_MAX),
    packages: [...packages]
      .map(([name, from]) => ({ name, importers: from.size }))
      .sort(
        byMost(
          (it) => it.importers,
          (it) => it.name,
        ),
      )
      .slice(0, 2 * ROWS_MAX),
    broken: broken.slice(0, ROWS_MAX),
  }
}

/** The imports of all scripts, each pair of files once. */
export function resolveImports(files: readonly SourceFile[], names = NO_NAMES): Resolved {
  const scripts = files.filter(({ path }) => isScript(path))
  const known = new Set(files.map(({ path }) => path))
  const edges = new Map<string, Edge>()
  const packages = new Map<string, Set<string>>()
  const broken: Resolved['broken'] = []
  for (const { path, text } of scripts) {
    for (const { from, typeOnly } of readImports(text)) {
      const wanted = pathOf(path, from, names)
      if (wanted === undefined) {
        const name = packageOf(from)
        packages.set(name, (packages.get(name) ?? new Set()).add(path))
        continue
      }
      const to = fileFor(wanted, known)
      // What lies outside of the folder is not ours to judge.
      if (to === undefined && !wanted.startsWith('../')) broken.push({ path, from })
      if (to === undefined) continue
      const key = `${path}\n${to}`
      edges.set(key, { from: path, to, typeOnly: typeOnly && (edges.get(key)?.typeOnly ?? true) })
    }
  }
  return { edges: [...edges.values()], packages, broken }
}

/** Where an import points to, relative to the audited folder; undefined for a package. */
function pathOf(importer: string, from: string, { aliases, folderName }: Names): string | undefined {
  if (from.startsWith('./') || from.startsWith('../') || from === '.' || from === '..') {
    const path = normalised([...importer.split('/').slice(0, -1), ...from.split('/')])
    const home = `../${folderName}/`
    return path.startsWith(home) ? path.slice(home.length) : path
  }
  const alias = aliases
    .filter(({ prefix, suffix }) => from.startsWith(prefix) && from.endsWith(suffix))
    .sort((a, b) => b.prefix.length - a.prefix.length)[0]
  if (!alias) return undefined
  const middle = from.slice(alias.prefix.length, from.length - alias.suffix.length)
  return normalised(`${alias.target}${middle}${alias.targetSuffix}`.split('/'))
}

function normalised(parts: readonly string[]): string {
  const kept: string[] = []
  for (const part of parts) {
    if (part === '.' || part === '') continue
    if (part === '..' && kept.length > 0 && kept.at(-1) !== '..') kept.pop()
    else kept.push(part)
  }
  return kept.join('/')
}

const ENDINGS = ['', '.ts', '.tsx', '.js', '.jsx', '.mjs', '.cjs', '/index.ts', '/index.tsx', '/index.js']

function fileFor(wanted: string, known: ReadonlySet<string>): string | undefined {
  // `./a.js` may be the name that `./a.ts` has after its compilation.
  const sources = [wanted, wanted.replace(/\.([cm]?)js(x?)$/, '.$1ts$2')]
  return sources.flatMap((source) => ENDINGS.map((ending) => source + ending)).find((path) => known.has(path))
}

const packageOf = (from: string): string =>
  from.startsWith('node:')
    ? from
    : from
        .split('/')
        .slice(0, from.startsWith('@') ? 2 : 1)
        .join('/')

function neighbours(edges: readonly Edge[]): Map<string, Set<string>> {
  const map = new Map<string, Set<string>>()
  for (const { from, to } of edges) map.set(from, (map.get(from) ?? new Set()).add(to))
  return map
}

function roomEdges(edges: readonly Edge[]): ImportGraph['rooms'] {
  const between = edges.filter((edge) => !isTest(edge.from) && roomOf(edge.from) !== roomOf(edge.to))
  return [...Map.groupBy(between, (edge) => `${roomOf(edge.from)}\n${roomOf(edge.to)}`)]
    .map(([key, same]) => ({ from: key.split('\n')[0]!, to: key.split('\n')[1]!, imports: same.length }))
    .sort(
      byMost(
        (it) => it.imports,
        (it) => `${it.from} ${it.to}`,
      ),
    )
    .slice(0, ROOMS_MAX)
}
