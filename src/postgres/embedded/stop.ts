// Stops the PostgreSQL server of a data folder and waits until it is gone.

import { setTimeout as sleep } from 'node:timers/promises'
import { type Binaries, programOf } from './binaries.ts'
import { findServer } from './pidfile.ts'
import { isAlive } from './process-table.ts'
import { runProgram } from './program.ts'

const POLL_MS = 5
// The first writes a checkpoint. The second needs little more than the 5 s after which the server kills those
// of its own processes that do not end.
const LIMITS = { fastMs: 30_000, immediateMs: 15_000 }

/** Disconnects everybody and stops the server on the folder; nothing committed is lost. */
export async function stopServer(folder: string, binaries: Binaries, limits = LIMITS): Promise<void> {
  const server = await findServer(folder)
  if (!server) return
  await signal(server.pid, 'SIGINT', binaries)
  if (await waitForEnd(server.pid, limits.fastMs)) return
  // Stops without a checkpoint; the next start replays the log instead.
  await signal(server.pid, 'SIGQUIT', binaries)
  if (await waitForEnd(server.pid, limits.immediateMs)) return
  throw new Error(`The PostgreSQL server on ${folder} (process ${server.pid}) does not stop.`)
}

async function waitForEnd(pid: number, maxMs: number): Promise<boolean> {
  const giveUpAt = Date.now() + maxMs
  while (Date.now() < giveUpAt) {
    if (!(await isAlive(pid))) return true
    await sleep(POLL_MS)
  }
  return false
}

async function signal(pid: number, name: 'SIGINT' | 'SIGQUIT', binaries: Binaries): Promise<void> {
  // Windows has no signals: Node would end the process at once, and only PostgreSQL's own tool asks it to stop.
  if (process.platform === 'win32') {
    await runProgram(programOf(binaries, 'pg_ctl'), ['kill', name.slice(3), String(pid)], undefined)
    return
  }
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // ESRCH: it has ended by itself.
  }
}
