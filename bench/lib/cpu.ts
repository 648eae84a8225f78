// CPU time of PostgreSQL, summed over its processes. Unlike a rate, it holds on a machine that is busy with other work.
import { readdir, readFile } from 'node:fs/promises'

/** Linux counts in hundredths of a second, whatever the processor. */
const US_PER_TICK = 10_000

/**
 * In microseconds since the server's start, of all its processes: those that have ended are counted by their parent.
 * `backendPid` is that of any session of the server.
 */
export async function postgresCpuUs(backendPid: number): Promise<number> {
  const postmaster = (await statOf(backendPid))!.parent
  const stats = await Promise.all((await pids()).map(statOf))
  const all = stats.filter((stat) => stat && (stat.pid === postmaster || stat.parent === postmaster))
  const ticks = all.reduce((sum, stat) => sum + stat!.own + (stat!.pid === postmaster ? stat!.ended : 0), 0)
  return ticks * US_PER_TICK
}

/** Of these sessions alone. */
export async function sessionsCpuUs(backendPids: readonly number[]): Promise<number> {
  const stats = await Promise.all(backendPids.map(statOf))
  return stats.reduce((sum, stat) => sum + (stat?.own ?? 0), 0) * US_PER_TICK
}

const pids = async (): Promise<number[]> => (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)

type Stat = { pid: number; parent: number; own: number; ended: number }

/** Undefined for a process that has ended meanwhile. */
async function statOf(pid: number): Promise<Stat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined)
  if (text === undefined) return undefined
  // The name, in brackets, may hold anything; the fields after it are numbered from 3.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const field = (number: number) => Number(fields[number - 3])
  return { pid, parent: field(4), own: field(14) + field(15), ended: field(16) + field(17) }
}
