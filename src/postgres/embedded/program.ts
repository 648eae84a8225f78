// How PostgreSQL's programs are run: as which account, from where, and with which environment.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Account } from './account.ts'

const exec = promisify(execFile)
const TIME_MAX_MS = 300_000

/**
 * Spawn options shared by all of PostgreSQL's programs. Its messages must be in English, because some are
 * recognised, and a PGPORT or LANG of the user's shell must not reach it. The working directory is the root,
 * because the account may be unable to enter ours.
 */
export function programOptions(account: Account | undefined) {
  return {
    cwd: '/',
    windowsHide: true,
    ...(process.platform === 'win32' ? {} : { env: { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' } }),
    ...(account ? { uid: account.uid, gid: account.gid } : {}),
  }
}

/** Runs a program to its end. Never throws: a program that cannot be run at all is an answer too. */
export async function runProgram(
  path: string,
  args: string[],
  account: Account | undefined,
): Promise<{ ok: boolean; output: string }> {
  return exec(path, args, { ...programOptions(account), timeout: TIME_MAX_MS }).then(
    ({ stdout, stderr }) => ({ ok: true, output: stdout + stderr }),
    (error: Error & { stdout?: string; stderr?: string }) => ({
      ok: false,
      output: `${error.stdout ?? ''}${error.stderr ?? ''}`.trim() || error.message,
    }),
  )
}
