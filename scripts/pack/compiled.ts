// The sources as JavaScript, which Node runs from node_modules too: file by file and line by line, so that a stack trace
// names the place that was written.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join, posix, relative } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')
export const COMPILED = join(ROOT, 'dist/compiled')

type Manifest = {
  version: string
  license: string
  exports: Record<string, string>
  dependencies: Record<string, string>
}
export const MANIFEST = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest

const SPECIFIER = /(\bfrom\s*|\bimport\s*\(\s*|\bimport\s+)(['"])([^'"\s]+)\2/g

/** Strips the types off everything, and makes every import relative: `#room/file.ts` is a name of this repository alone. */
export function compile(): void {
  rmSync(COMPILED, { recursive: true, force: true })
  for (const path of globSync('{src,examples}/**/*.ts', { cwd: ROOT })) {
    const text = stripTypeScriptTypes(readFileSync(join(ROOT, path), 'utf8'))
    // Files that are started rather than imported have their names in quotes as well.
    const started = text.replace(/'(\.{1,2}\/[\w./-]+)\.ts'/g, "'$1.js'")
    write(path.replace(/\.ts$/, '.js'), relativeImports(path, started))
  }
}

/** Adds the declarations of what the package exports. */
export function declare(): void {
  run('npx', ['tsc', '-p', 'scripts/pack/tsconfig.json'])
  for (const path of globSync('**/*.d.ts', { cwd: COMPILED })) {
    write(path, relativeImports(path, readFileSync(join(COMPILED, path), 'utf8')))
  }
}

function write(path: string, text: string): void {
  mkdirSync(dirname(join(COMPILED, path)), { recursive: true })
  writeFileSync(join(COMPILED, path), text)
}

const relativeImports = (from: string, text: string): string =>
  text.replace(
    SPECIFIER,
    (_, before: string, quote: string, name: string) => `${before}${quote}${plainName(from, name)}${quote}`,
  )

/** The name by which a compiled file imports another. */
function plainName(from: string, name: string): string {
  const self = Object.entries(MANIFEST.exports).find(([entry]) => join('runyard', entry) === name)
  const target = self ? self[1] : name.startsWith('#') ? `src/${name.slice(1)}` : undefined
  const path = target === undefined ? name : posix.relative(dirname(from), target).replace(/^(?!\.)/, './')
  return path.startsWith('.') ? path.replace(/\.ts$/, '.js') : path
}

export type Reached = {
  /** Compiled files, with their declarations, relative to the folder of compiled files. */
  files: Set<string>
  /** npm packages that they import. */
  packages: Set<string>
}

/** What the entries import, directly or not. `entries` are sources, such as `src/main.ts`. */
export function reachedFrom(entries: readonly string[]): Reached {
  const reached: Reached = { files: new Set(), packages: new Set() }
  const waiting = entries.flatMap((entry) => [entry.replace(/\.ts$/, '.js'), entry.replace(/\.ts$/, '.d.ts')])
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.files.has(path) || !existsSync(join(COMPILED, path))) continue
    reached.files.add(path)
    for (const [, , , name = ''] of readFileSync(join(COMPILED, path), 'utf8').matchAll(SPECIFIER)) {
      if (name.startsWith('.')) {
        const target = posix.join(dirname(path), name)
        waiting.push(path.endsWith('.d.ts') ? target.replace(/\.js$/, '.d.ts') : target)
      } else if (PACKAGE.test(name) && !name.startsWith('node:')) reached.packages.add(packageOf(name))
    }
  }
  return reached
}

/** What a package can be called; a text that only looks like an import is not. */
const PACKAGE = /^(?:@[a-z\d][\w.-]*\/)?[a-z\d][\w.:-]*(?:\/[\w./-]*)?$/i
const packageOf = (name: string): string => name.split('/', name.startsWith('@') ? 2 : 1).join('/')

/** The versions that this repository is tested with. */
export function dependenciesOf(packages: ReadonlySet<string>): Record<string, string> {
  return Object.fromEntries(
    [...packages].sort().map((name) => {
      const version = MANIFEST.dependencies[name]
      if (version === undefined) throw new Error(`${name} is imported, and is not a dependency in package.json`)
      return [name, version]
    }),
  )
}

/** Copies compiled files into a package. */
export function copyInto(folder: string, files: Iterable<string>): void {
  for (const path of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    cpSync(join(COMPILED, path), join(folder, path))
  }
}

/** Writes the package.json of a folder, and packs it. Returns the path of the tarball. */
export function packFolder(folder: string, manifest: { name: string } & Record<string, unknown>): string {
  const shared = {
    version: MANIFEST.version,
    license: MANIFEST.license,
    type: 'module',
    engines: { node: '>=20.19.0' },
    repository: { type: 'git', url: 'git+https://github.com/runyard/runyard.git' },
  }
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ ...shared, ...manifest }, null, 2)}\n`)
  for (const file of ['LICENSE', 'CHANGELOG.md']) cpSync(join(ROOT, file), join(folder, file))
  run('npm', ['pack', `./${folder}`, '--pack-destination', 'dist', '--loglevel', 'error'])
  return join(ROOT, 'dist', `${manifest.name}-${MANIFEST.version}.tgz`)
}

export function run(program: string, args: string[]): void {
  const { status, error } = spawnSync(program, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) throw error ?? new Error(`${program} ${args.join(' ')} ended with ${status}`)
}

export const fresh = (name: string): string => {
  const folder = join(ROOT, 'dist', name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  return relative(ROOT, folder)
}
