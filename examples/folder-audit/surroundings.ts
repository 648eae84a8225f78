// What stands around the audited folder, up to the root: licence files, and the nearest package with its licence and
// its names for imports.
import { readFile, realpath } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { BOUNDS, entriesOf } from './folder.ts'
import type { Licences } from './tools/headers.ts'
import type { Alias } from './tools/import-graph.ts'

export type Surroundings = { licences: Licences; aliases: Alias[] }

const LEVELS_MAX = 32
const LICENCE = /^(LICEN[CS]E|COPYING)(\.\w+)?$/i

export async function readSurroundings(root: string, folder: string): Promise<Surroundings> {
  const top = await realpath(root)
  const licences: Licences = { files: [], ofPackage: undefined }
  let aliases: Alias[] | undefined
  let at = folder
  for (let levels = 0; levels < LEVELS_MAX; levels++) {
    const { entries } = await entriesOf(at, BOUNDS.entriesOfFolder)
    const names = entries.filter((it) => it.isFile()).map((it) => it.name)
    for (const name of names) if (LICENCE.test(name)) licences.files.push(slashed(relative(top, join(at, name))))
    if (aliases === undefined && names.includes('package.json')) {
      const { license, imports } = await packageIn(at)
      if (typeof license === 'string') licences.ofPackage = license.slice(0, 100)
      aliases = aliasesOf(imports, { from: folder, packageFolder: at })
    }
    if (at === top) break
    at = dirname(at)
  }
  return { licences, aliases: aliases ?? [] }
}

async function packageIn(folder: string): Promise<{ license?: unknown; imports?: unknown }> {
  try {
    return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) ?? {}
  } catch {
    return {} // A package file that cannot be read is no reason not to audit the rest.
  }
}

/** `"#*": "./src/*"` of a package.json, as paths from the audited folder. */
function aliasesOf(imports: unknown, { from, packageFolder }: { from: string; packageFolder: string }): Alias[] {
  if (typeof imports !== 'object' || imports === null) return []
  return Object.entries(imports).flatMap(([name, target]): Alias[] => {
    if (typeof target !== 'string' || !target.startsWith('./')) return []
    const [prefix = '', suffix = ''] = name.split('*')
    const [before = '', targetSuffix = ''] = target.split('*')
    const slash = before.lastIndexOf('/') + 1
    const folder = slashed(relative(from, join(packageFolder, before.slice(0, slash))))
    return [{ prefix, suffix, target: (folder && `${folder}/`) + before.slice(slash), targetSuffix }]
  })
}

const slashed = (path: string): string => path.replaceAll('\\', '/')
