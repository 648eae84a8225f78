// Reads postmaster.pid, the file by which a running PostgreSQL server marks its data folder as taken.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isAlive, servesFolder } from './process-table.ts'

export type Server = { pid: number; port: number; status: string; mark: string }

const NEVER_A_PROCESS = '2147483647'

/** The server that runs on the data folder, in whatever state, or undefined when there is none. */
export async function findServer(folder: string): Promise<Server | undefined> {
  const found = await readPidFile(folder)
  if (!found || !(await isAlive(found.pid))) return undefined
  return (await servesFolder(found.pid, folder)) === 'no' ? undefined : found
}

/** `mark` is the whole file, different for every start of every server. */
export async function readPidFile(folder: string): Promise<Server | undefined> {
  const mark = await readFile(pidFileOf(folder), 'utf8').catch(() => '')
  const lines = mark.split('\n')
  const pid = Number(lines[0])
  if (!Number.isInteger(pid) || pid <= 0) return undefined
  return { pid, port: Number(lines[3]), status: lines[7]?.trim() ?? '', mark }
}

/**
 * PostgreSQL does not start when the id in a stale postmaster.pid belongs by now to another program of the
 * same account. Only that id is replaced, and the file stays: by its other lines PostgreSQL sees whether
 * processes of the dead server still hold the shared memory, and must not start beside them.
 */
export async function disarmPidFile(folder: string): Promise<void> {
  const found = await readPidFile(folder)
  if (!found || !(await isAlive(found.pid)) || (await servesFolder(found.pid, folder)) !== 'no') return
  await writeFile(pidFileOf(folder), found.mark.replace(/^\d+/, NEVER_A_PROCESS))
}

const pidFileOf = (folder: string): string => join(folder, 'postmaster.pid')
