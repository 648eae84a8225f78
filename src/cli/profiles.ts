// Where addresses and keys are kept: one file that only its owner can read.
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { CommandError, EXIT, fileProblem, invalidInput } from './exit-codes.ts'
import type { Environment } from './terminal.ts'

export type Profile = { url: string; key: string }
export type Profiles = { current: string | undefined; known: Map<string, Profile> }

const FILE_BYTES_MAX = 1024 * 1024
const OWNER_ONLY = 0o600

export function profilesPath(env: Environment): string {
  const folder = env.XDG_CONFIG_HOME || (process.platform === 'win32' && env.APPDATA) || join(homedir(), '.config')
  return join(folder, 'runyard', 'profiles.json')
}

export function readProfiles(path: string): Profiles {
  let text: string
  try {
    if (statSync(path).size > FILE_BYTES_MAX) throw invalidInput(`${path} is larger than ${FILE_BYTES_MAX} bytes.`)
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return { current: undefined, known: new Map() }
    throw fileProblem(path, error)
  }
  try {
    const { current, profiles } = JSON.parse(text) as { current?: unknown; profiles?: Record<string, unknown> }
    const known = Object.entries(profiles ?? {}).filter((entry): entry is [string, Profile] => isProfile(entry[1]))
    return { current: typeof current === 'string' ? current : undefined, known: new Map(known) }
  } catch {
    throw invalidInput(`${path} is not a file of profiles.`, 'Delete it and log in again with: runyard login')
  }
}

const isProfile = (value: unknown): value is Profile =>
  typeof value === 'object' && value !== null && 'url' in value && 'key' in value

/** Written aside and moved into place: whoever reads it meanwhile finds the old file or the new one. */
export function writeProfiles(path: string, { current, known }: Profiles): void {
  const aside = `${path}.${process.pid}`
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const text = JSON.stringify({ current, profiles: Object.fromEntries(known) }, null, 2)
    writeFileSync(aside, `${text}\n`, { mode: OWNER_ONLY })
    chmodSync(aside, OWNER_ONLY)
    renameSync(aside, path)
  } catch (error) {
    rmSync(aside, { force: true })
    throw fileProblem(path, error)
  }
}

/** Whether others on this machine can read the file; false where permissions mean nothing, or there is no file. */
export function isReadByOthers(path: string): boolean {
  if (process.platform === 'win32') return false
  try {
    return (statSync(path).mode & 0o077) !== 0
  } catch {
    return false
  }
}

export function requireProfile({ known }: Profiles, name: string): Profile {
  const profile = known.get(name)
  if (profile) return profile
  const names = [...known.keys()].join(', ')
  throw new CommandError('profile_not_found', `Profile ${name} not found.`, {
    exit: EXIT.notFound,
    hint: names ? `Known profiles: ${names}` : 'Log in with: runyard login',
  })
}
