// Makes a new PostgreSQL data folder. It appears under its name only when it is complete.

import { chown, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Account } from './account.ts'
import { type Binaries, programOf } from './binaries.ts'
import { failure } from './failure.ts'
import { runProgram } from './program.ts'

/** The one role of an embedded server; it owns everything there. */
export const ROLE = 'runyard'

/** The major version that made the data folder, or undefined when there is none. */
export async function versionOfCluster(folder: string): Promise<string | undefined> {
  return readFile(join(folder, 'PG_VERSION'), 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  )
}

/** initdb writes PG_VERSION early and pg_control late; a folder with only the first was left half-way. */
export async function isComplete(folder: string): Promise<boolean> {
  const control = await stat(join(folder, 'global', 'pg_control')).catch(() => undefined)
  return control !== undefined && (await versionOfCluster(folder)) !== undefined
}

type New = { folder: string; password: string; account: Account | undefined; binaries: Binaries }

/** The caller holds the lock on the folder. What a killed initdb left behind is removed. */
export async function makeCluster({ folder, password, account, binaries }: New): Promise<void> {
  await clearPlace(folder)
  const tempFolder = `${folder}.new-${process.pid}`
  await mkdir(tempFolder, { mode: 0o700 })
  try {
    // In a file, because the arguments of a program are seen by everybody on the machine.
    const passwordFile = join(tempFolder, 'password')
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 })
    if (account) for (const path of [tempFolder, passwordFile]) await chown(path, account.uid, account.gid)

    const made = await runProgram(
      programOf(binaries, 'initdb'),
      initdbArgs(join(tempFolder, 'data'), passwordFile),
      account,
    )
    if (!made.ok) throw failure(`initdb could not make a database in ${folder}`, made.output, folder)
    await rename(join(tempFolder, 'data'), folder)
    await syncFolder(dirname(folder))
  } finally {
    await removeTree(tempFolder)
  }
}

const initdbArgs = (folder: string, passwordFile: string): string[] => [
  ...['-D', folder, '--username', ROLE, '--pwfile', passwordFile, '--auth', 'scram-sha-256'],
  ...['--encoding', 'UTF8', '--locale', 'C', '--data-checksums', '--no-instructions'],
]

async function clearPlace(folder: string): Promise<void> {
  const parent = dirname(folder)
  for (const name of await readdir(parent)) {
    if (name.startsWith(`${basename(folder)}.new-`)) await removeTree(join(parent, name))
  }
  // We never leave an incomplete data folder under this name. Whose it is we cannot know, so it is kept.
  if (await stat(folder).catch(() => undefined)) await rename(folder, `${folder}.incomplete-${Date.now()}`)
}

/** Bounded tries: an initdb whose parent was killed may still be writing there for a moment. */
const removeTree = (path: string): Promise<void> =>
  rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }).catch(() => {})

/** Makes the rename durable: a power cut must not lose the folder after data was committed in it. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return // Cannot open a folder.
  const handle = await open(path, 'r')
  await handle.sync().finally(() => handle.close())
}
