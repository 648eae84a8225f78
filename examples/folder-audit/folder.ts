// The folder under audit, read within bounds: links are not followed, what is not text or too large is left out, and
// no number of files, bytes or levels can make an attempt run away.
import { constants, type Dirent } from 'node:fs'
import { open, opendir, realpath } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { AttemptFailed } from 'runyard'
import type { SourceFile } from './tools/source-file.ts'

export const BOUNDS = {
  files: 2_000,
  fileBytes: 512 * 1024,
  totalBytes: 64 * 1024 * 1024,
  levels: 16,
  entriesOfFolder: 10_000,
  pathLength: 512,
} as const
export type Bounds = { [Name in keyof typeof BOUNDS]: number }

export type Listing = {
  files: { path: string; bytes: number }[]
  folders: number
  /** What was left out, and why. */
  skipped: { links: number; folders: number; large: number; other: number }
  /** Whether a bound was reached, so that there is more than was listed. */
  truncated: boolean
}

const isSkipped = (name: string): boolean => name === 'node_modules' || name.startsWith('.')

/** The real path of a folder that lies in `root`; nothing outside of it may be audited. */
export async function findFolder(root: string, folder: string): Promise<string> {
  const realRoot = await realpath(root)
  const wanted = folder.includes('\0') ? undefined : await realpath(resolve(realRoot, folder)).catch(() => undefined)
  // One refusal for both: whether something is there is nobody's business from outside.
  if (
    wanted === undefined ||
    !(wanted === realRoot || wanted.startsWith(realRoot + sep)) ||
    !(await isFolder(wanted))
  ) {
    throw new AttemptFailed(`there is no folder ${folder} in the audited root`, {
      code: 'folder_not_found',
      retryable: false,
    })
  }
  return wanted
}

const isFolder = async (path: string): Promise<boolean> => {
  const dir = await opendir(path).catch(() => undefined)
  await dir?.close()
  return dir !== undefined
}

/** Files by path, folders before their contents, each in the order of names. */
export async function listFiles(folder: string, bounds: Bounds = BOUNDS): Promise<Listing> {
  const listing: Listing = {
    files: [],
    folders: 0,
    skipped: { links: 0, folders: 0, large: 0, other: 0 },
    truncated: false,
  }
  await listInto(listing, { folder, path: '', level: 0 }, bounds)
  return listing
}

type At = { folder: string; path: string; level: number }

async function listInto(listing: Listing, { folder, path, level }: At, bounds: Bounds): Promise<void> {
  const { skipped } = listing
  const { entries, cut } = await entriesOf(join(folder, path), bounds.entriesOfFolder)
  if (cut) listing.truncated = true
  for (const entry of entries) {
    const below = path === '' ? entry.name : `${path}/${entry.name}`
    if (listing.files.length >= bounds.files) {
      listing.truncated = true
      return
    }
    if (entry.isSymbolicLink()) skipped.links++
    else if (below.length > bounds.pathLength || (entry.isDirectory() && level + 1 >= bounds.levels)) {
      listing.truncated = true
    } else if (entry.isDirectory()) {
      if (isSkipped(entry.name)) skipped.folders++
      else {
        listing.folders++
        await listInto(listing, { folder, path: below, level: level + 1 }, bounds)
      }
    } else await listFile(listing, { folder, path: below }, bounds)
  }
}

async function listFile(
  { files, skipped }: Listing,
  { folder, path }: Omit<At, 'level'>,
  { fileBytes }: Bounds,
): Promise<void> {
  const bytes = await sizeOf(join(folder, path))
  if (bytes === undefined) skipped.other++
  else if (bytes > fileBytes) skipped.large++
  else files.push({ path, bytes })
}

/** In the order of names, so that two audits of the same folder say the same. */
export async function entriesOf(folder: string, countMax: number): Promise<{ entries: Dirent[]; cut: boolean }> {
  const entries: Dirent[] = []
  for await (const entry of await opendir(folder)) {
    if (entries.length === countMax) return { entries: entries.sort(byName), cut: true }
    entries.push(entry)
  }
  return { entries: entries.sort(byName), cut: false }
}

const byName = (a: Dirent, b: Dirent): number => (a.name < b.name ? -1 : 1)

const sizeOf = (path: string): Promise<number | undefined> =>
  withFile(path, async (file) => (await file.stat()).size).catch(() => undefined)

export type Reading = { files: SourceFile[]; bytes: number; notText: number; gone: number; truncated: boolean }

export async function readFiles(folder: string, listing: Listing, bounds: Bounds = BOUNDS): Promise<Reading> {
  const reading: Reading = { files: [], bytes: 0, notText: 0, gone: 0, truncated: false }
  for (const { path } of listing.files) {
    if (reading.bytes >= bounds.totalBytes) {
      reading.truncated = true
      break
    }
    const bytes = await readBounded(join(folder, path), bounds.fileBytes).catch(() => undefined)
    if (bytes === undefined) reading.gone++
    else if (bytes.subarray(0, 8_192).includes(0)) reading.notText++
    else {
      reading.bytes += bytes.length
      reading.files.push({ path, text: bytes.toString('utf8') })
    }
  }
  return reading
}

/** Not by readFile: a file that grew since it was listed must not be read to its new end. */
const readBounded = (path: string, bytesMax: number): Promise<Buffer> =>
  withFile(path, async (file) => {
    const buffer = Buffer.alloc(Math.min(bytesMax, (await file.stat()).size))
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
    return buffer.subarray(0, bytesRead)
  })

type File = Awaited<ReturnType<typeof open>>

/** Opens what was a regular file a moment ago: a link that took its place is refused, a pipe does not block. */
async function withFile<T>(path: string, use: (file: File) => Promise<T>): Promise<T> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    if (!(await file.stat()).isFile()) throw new Error('it is no regular file')
    return await use(file)
  } finally {
    await file.close()
  }
}
