// What stands around the audited folder, up to the root: licence files, and the nearest package with its licence, its
// names for imports, and its tests.
import { readFile, realpath } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { BOUNDS, entriesOf, listFiles, readFiles } from './folder.ts'
import type { Licences } from './tools/headers.ts'
import type { Alias } from './tools/import-graph.ts'
import { isScript, type SourceFile } from './tools/source-file.ts'

export type Surroundings = {
  licences: Licences
  aliases: Alias[]
  /** Scripts of the package's own test folder, where that lies beside the audited one: `../test/a.ts`. */
  tests: SourceFile[]
}

const LEVELS_MAX = 32
const TEST_FOLDERS = ['test', 'tests']
const LICENCE = /^(LICEN[CS]E|COPYING)(\.\w+)?$/i

export async function readSurroundings(root: string, folder: string): Promise<Surroundings> {
  const top = await realpath(root)
  const licences: Licences = { files: [], ofPackage: undefined }
  let aliases: Alias[] | undefined
  let tests: SourceFile[] = []
  let at = folder
  for (let levels = 0; levels < LEVELS_MAX; levels++) {
    const { entries } = await entriesOf(at, BOUNDS.entriesOfFolder)
    const names = entries.filter((it) => it.isFile()).map((it) => it.name)
    for (const name of names) if (LICENCE.test(name)) licences.files.push(slashed(relative(top, join(at, name))))
    if (aliases === undefined && names.includes('package.json')) {
      const { license, imports } = await packageIn(at)
      if (typeof license === 'string') licences.ofPackage = license.slice(0, 100)
      aliases = aliasesOf(imports, { from: folder, packageFolder: at })
      const folders = entries.filter((it) => it.isDirectory() && TEST_FOLDERS.includes(it.name))
      tests = (await Promise.all(folders.map(({ name }) => testsIn(folder, join(at, name))))).flat()
    }
    if (at === top) break
    at = dirname(at)
  }
  return { licences, aliases: aliases ?? [], tests }
}

async function testsIn(folder: string, testFolder: string): Promise<SourceFile[]> {
  const way = slashed(relative(folder, testFolder))
  // Not for a folder that is audited anyway, or lies within the one that is.
  if (!way.startsWith('../')) return []
  const { files } = await readFiles(testFolder, await listFiles(testFolder))
  return files.filter(({ path }) => isScript(path)).map(({ path, text }) => ({ path: `${way}/${path}`, text }))
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
