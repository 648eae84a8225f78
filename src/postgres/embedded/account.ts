// PostgreSQL refuses to run as root. This chooses the account that it runs as then, and tells whether that
// account can get into a folder. Accounts are only ever found, never made.

import { chmod, chown, lchown, mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Undefined everywhere means: the account that this process runs as. */
export type Account = { uid: number; gid: number; name: string }

const CANDIDATES = ['runyard', 'postgres', 'nobody']

export const isRoot = (): boolean => process.getuid?.() === 0

/** The first account of our candidates in the text of a passwd file. */
export function chooseAccount(passwd: string): Account {
  const accounts = passwd.split('\n').map((line) => line.split(':'))
  for (const name of CANDIDATES) {
    const fields = accounts.find(([found]) => found === name)
    if (fields) return { name, uid: Number(fields[2]), gid: Number(fields[3]) }
  }
  throw new Error(
    `PostgreSQL refuses to run as root, and none of the accounts ${CANDIDATES.join(', ')} exists here. ` +
      'Start Runyard as an ordinary user, make one of these accounts, or set DATABASE_URL.',
  )
}

export const findAccount = async (): Promise<Account> => chooseAccount(await readFile('/etc/passwd', 'utf8'))

/** The account that owns `path`; undefined when there is no such path or when root owns it. */
export async function ownerOf(path: string): Promise<Account | undefined> {
  const found = await stat(path).catch(() => undefined)
  return found && found.uid !== 0 ? { uid: found.uid, gid: found.gid, name: `uid ${found.uid}` } : undefined
}

/**
 * Whether the account may enter `folder`, by the mode bits of it and of everything above it. The account has
 * no supplementary groups: a child process that changes its user loses them.
 */
export async function canEnter(account: Account, folder: string): Promise<boolean> {
  const { mode, uid, gid } = await stat(folder)
  const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001
  if ((mode & bit) === 0) return false
  const above = dirname(folder)
  return above === folder || canEnter(account, above)
}

/** Gives a folder with all that is in it to the account. */
export async function giveTo({ uid, gid }: Account, folder: string): Promise<void> {
  await chown(folder, uid, gid)
  for (const name of await readdir(folder, { recursive: true })) await lchown(join(folder, name), uid, gid)
}

/** Makes a folder through which every account may pass, whatever our umask is. One that is there stays as it is. */
export async function makeTraversable(path: string): Promise<void> {
  if (await stat(path).catch(() => undefined)) return
  await makeTraversable(dirname(path))
  await mkdir(path, { recursive: true }) // Recursive only so that another start may make it at the same moment.
  await chmod(path, 0o755)
}
