// What the operating system knows about a process id. An id alone proves nothing: after a crash, and in
// every new container, ids are handed out again to other programs.

import { execFile } from 'node:child_process'
import { readFile, readlink } from 'node:fs/promises'
import { promisify } from 'node:util'

const exec = promisify(execFile)

export async function isAlive(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM says that the process lives, under an account that we may not signal.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  // A zombie takes signals but does nothing; where nobody reaps it, it would look alive for ever.
  return (await statOf(pid))?.state !== 'Z'
}

/** Something that differs between two processes which had the same id, or '' where the system tells nothing. */
export async function birthOf(pid: number): Promise<string> {
  const stat = await statOf(pid)
  if (stat) return `${stat.startTicks} ${(await readText('/proc/sys/kernel/random/boot_id'))?.trim() ?? ''}`
  return (await ps(pid, 'lstart=')) ?? ''
}

/**
 * Whether the process is the PostgreSQL server of this data folder. 'unknown' where the system does not tell;
 * a caller must then believe nothing that would do harm if it were wrong.
 */
export async function servesFolder(pid: number, folder: string): Promise<'yes' | 'no' | 'unknown'> {
  // A server makes its data folder its working directory, and Linux follows that through every rename.
  const workingFolder = await readlink(`/proc/${pid}/cwd`).catch(() => undefined)
  if (workingFolder !== undefined) return workingFolder === folder ? 'yes' : 'no'

  const command = (await readText(`/proc/${pid}/cmdline`))?.replaceAll('\0', ' ') ?? (await ps(pid, 'command='))
  if (command === undefined) return 'unknown'
  if (`${command} `.includes(` -D ${folder} `)) return 'yes'
  const otherServer = / -D \//.test(command)
  const childOfServer = command.startsWith('postgres: ')
  return command.includes('postgres') && !otherServer && !childOfServer ? 'unknown' : 'no'
}

async function statOf(pid: number): Promise<{ state: string; startTicks: string } | undefined> {
  const text = await readText(`/proc/${pid}/stat`)
  // The program's name comes second, in brackets, and may itself hold brackets and spaces.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields && { state: fields[0] ?? '', startTicks: fields[19] ?? '' }
}

async function ps(pid: number, column: string): Promise<string | undefined> {
  if (process.platform === 'win32') return undefined
  return exec('ps', ['-ww', '-o', column, '-p', String(pid)]).then(
    ({ stdout }) => stdout.trim(),
    () => undefined,
  )
}

const readText = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined)
