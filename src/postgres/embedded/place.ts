// Decides where the PostgreSQL data folder is and which account owns it. Near is `<dataDir>/postgres`. Far is
// a folder below /var/lib/runyard, for when root's PostgreSQL account cannot enter the data dir.

import { createHash } from 'node:crypto'
import { chmod, mkdir, readFile, realpath, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Account, canEnter, findAccount, giveTo, isRoot, makeTraversable, ownerOf } from './account.ts'

export type Place = { folder: string; account: Account | undefined }
type Dirs = { dataDir: string; sharedDir: string; log: (line: string) => void }

const POINTER = 'postgres-is-at'

/** Makes the data dir when it is absent, and returns its real path. */
export async function makeDataDir(path: string): Promise<string> {
  const made = await makeFolder(path).catch((cause: Error) => {
    throw new Error(`The data folder ${path} (RUNYARD_DATA_DIR) cannot be created: ${cause.message}`, { cause })
  })
  // The server's account must get through; what is secret in there has a mode of its own.
  if (made) await chmod(path, isRoot() ? 0o711 : 0o700)
  return realpath(path)
}

/**
 * Makes a folder and those above it, and says whether it made this one. Node's recursive mkdir would never end in a
 * file system that takes no folders, such as /proc.
 */
async function makeFolder(path: string): Promise<boolean> {
  const make = () =>
    mkdir(path).then(
      () => 'made' as const,
      async (error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST' && (await stat(path)).isDirectory()) return 'there' as const
        if (error.code === 'ENOENT') return error
        throw error
      },
    )
  const first = await make()
  if (typeof first === 'string') return first === 'made'
  if (dirname(path) === path) throw first
  await makeFolder(dirname(path))
  const second = await make()
  if (typeof second !== 'string') throw second
  return second === 'made'
}

/** The same answer at every start: a place that was chosen once is kept, whatever the modes are by now. */
export async function findPlace({ dataDir, sharedDir, log }: Dirs): Promise<Place> {
  const near = join(dataDir, 'postgres')
  const pointed = await readPointer(dataDir)
  if (pointed && !(await exists(pointed))) {
    throw new Error(
      `The database of ${dataDir} was kept in ${pointed}, which is gone. Bring that folder back, or remove ` +
        `${join(dataDir, POINTER)} to begin with an empty database.`,
    )
  }
  if (!isRoot()) return { folder: await mine(pointed ?? near), account: undefined }
  if (pointed) return { folder: pointed, account: (await ownerOf(pointed)) ?? (await findAccount()) }

  const account = (await ownerOf(near)) ?? (await findAccount())
  if (await canEnter(account, dataDir)) return { folder: near, account }
  if (await exists(near)) {
    throw new Error(
      `PostgreSQL runs as ${account.name}, which can no longer enter ${dataDir}. ` +
        'Let it in (chmod o+x on the folders above), or set DATABASE_URL.',
    )
  }
  const far = join(sharedDir, createHash('sha256').update(dataDir).digest('hex').slice(0, 12), 'postgres')
  log(`the account ${account.name}, which runs PostgreSQL, cannot enter ${dataDir}: the database is kept in ${far}`)
  return { folder: far, account: (await ownerOf(far)) ?? account }
}

/** Makes the folder above the data folder, and mends the owner of a data folder that came back from a backup. */
export async function preparePlace({ folder, account }: Place, dataDir: string): Promise<void> {
  const home = dirname(folder)
  if (home !== dataDir) {
    await makeTraversable(home)
    await writeFile(join(home, 'README'), `The PostgreSQL data of the Runyard whose data dir is ${dataDir}\n`)
  }
  if (account && (await exists(folder)) && !(await ownerOf(folder))) await giveTo(account, folder)
}

/** Written once the data folder is there, so that a start that was killed before leaves nothing to a place that is not. */
export async function notePlace({ folder, account }: Place, dataDir: string): Promise<void> {
  if (dirname(folder) === dataDir || (await readPointer(dataDir)) !== undefined) return
  const reason = `PostgreSQL keeps its data there, because the account that runs it (${account?.name}) cannot enter this folder.`
  await writeFile(join(dataDir, POINTER), `${folder}\n${reason}\n`)
}

async function readPointer(dataDir: string): Promise<string | undefined> {
  const text = await readFile(join(dataDir, POINTER), 'utf8').catch(() => '')
  return text.split('\n')[0]?.trim() || undefined
}

async function mine(folder: string): Promise<string> {
  const found = await stat(folder).catch(() => undefined)
  if (!found || process.getuid === undefined || found.uid === process.getuid()) return folder
  throw new Error(
    `The database in ${folder} belongs to the account with uid ${found.uid}. ` +
      'Start Runyard as that account or as root, choose another RUNYARD_DATA_DIR, or set DATABASE_URL.',
  )
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )
