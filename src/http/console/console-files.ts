// The built console, read into memory once: a few dozen files, each with its compressed copies beside it.
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join, relative, sep } from 'node:path'

export type Encoding = 'br' | 'gzip'
export type ConsoleFile = {
  type: string
  plain: Buffer
  encoded: ReadonlyMap<Encoding, Buffer>
  /** Its name has a hash of its content: a browser may keep it for good. */
  isHashed: boolean
}
export type ConsoleFiles = { page: string; files: ReadonlyMap<string, ConsoleFile> }

const TYPES: ReadonlyMap<string, string> = new Map([
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
  ['.woff2', 'font/woff2'],
])
const SUFFIXES: ReadonlyMap<Encoding, string> = new Map([
  ['br', '.br'],
  ['gzip', '.gz'],
])

/** Undefined when the console has not been built. */
export function readConsole(folder: string): ConsoleFiles | undefined {
  const names = namesIn(folder)
  if (!names.has('index.html')) return undefined
  const files = new Map<string, ConsoleFile>()
  for (const name of names) {
    const type = TYPES.get(extname(name))
    if (type === undefined) continue
    const encoded = new Map<Encoding, Buffer>()
    for (const [encoding, suffix] of SUFFIXES)
      if (names.has(name + suffix)) encoded.set(encoding, readFileSync(join(folder, name + suffix)))
    files.set(name, { type, plain: readFileSync(join(folder, name)), encoded, isHashed: name.startsWith('assets/') })
  }
  return { page: readFileSync(join(folder, 'index.html'), 'utf8'), files }
}

/** Paths below the folder, with slashes. */
function namesIn(folder: string): ReadonlySet<string> {
  try {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
    const paths = entries.filter((it) => it.isFile()).map((it) => relative(folder, join(it.parentPath, it.name)))
    return new Set(paths.map((path) => path.replaceAll(sep, '/')))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Set()
    throw error
  }
}
