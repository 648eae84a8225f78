// One process at a time: a lock file that names its holder. A holder that was killed is noticed and its
// lock is broken, which two waiters must not do at once.

import { randomUUID } from 'node:crypto'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { birthOf, isAlive } from './process-table.ts'

// Longer than the longest start that we allow, which is a recovery after a crash.
const WAIT_MAX_MS = 400_000
const POLL_MS = 20
// Between the making of a lock file and the writing of its line; longer means that its maker was killed there.
const EMPTY_MAX_MS = 5_000

export async function withLock<T>(path: string, log: (line: string) => void, work: () => Promise<T>): Promise<T> {
  await takeLock(path, log)
  try {
    return await work()
  } finally {
    await rm(path, { force: true })
  }
}

async function takeLock(path: string, log: (line: string) => void): Promise<void> {
  // The last part makes every holding of the lock different from every other, also within one process.
  const mine = [process.pid, await birthOf(process.pid), randomUUID()].join('\n')
  const giveUpAt = Date.now() + WAIT_MAX_MS
  let told = false
  while (Date.now() < giveUpAt) {
    if (await writeNew(path, mine)) return
    const theirs = await readLock(path)
    if (theirs === undefined) continue
    if (await isHeld(path, theirs)) {
      if (!told) log(`waiting for process ${holderOf(theirs)}, which holds ${path}`)
      told = true
      await sleep(POLL_MS)
      continue
    }
    // Two waiters may both see the same stale lock. Were each to remove it, the slower one would remove
    // the lock that the faster one has taken meanwhile. So breaking is done under a lock of its own.
    await withLock(`${path}.breaking`, log, async () => {
      if ((await readLock(path)) === theirs) await rm(path, { force: true })
    })
  }
  const holder = holderOf((await readLock(path)) ?? '')
  throw new Error(`Process ${holder} has held ${path} for too long. If it is not a Runyard process, remove that file.`)
}

async function isHeld(path: string, content: string): Promise<boolean> {
  if (content === '') {
    const made = await stat(path).catch(() => undefined)
    return made !== undefined && Date.now() - made.mtimeMs < EMPTY_MAX_MS
  }
  const [, birth] = content.split('\n')
  const pid = Number(holderOf(content))
  return Number.isInteger(pid) && pid > 0 && (await isAlive(pid)) && (await birthOf(pid)) === birth
}

const holderOf = (content: string): string => content.split('\n')[0] ?? ''

const readLock = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').catch(ignore('ENOENT', undefined))

const writeNew = (path: string, content: string): Promise<boolean> =>
  writeFile(path, content, { flag: 'wx', mode: 0o644 }).then(() => true, ignore('EEXIST', false))

function ignore<T>(code: string, instead: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === code) return instead
    throw error
  }
}
