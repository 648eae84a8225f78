import { randomUUID } from 'node:crypto'
import { readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, inject, test } from 'vitest'
import { startNode } from '#test/support/processes.ts'
import { withLock } from './lock.ts'
import { birthOf } from './process-table.ts'

const newLock = (): string => join(inject('testRoot'), `lock-${randomUUID()}`)
const DEAD = ['2147483647', '', randomUUID()].join('\n')
const quiet = (): void => {}

/** Many holders one after the other; returns how many there ever were at once. */
async function crowd(path: string): Promise<number> {
  let inside = 0
  let insideMax = 0
  const enter = async () => {
    inside++
    insideMax = Math.max(insideMax, inside)
    // Long enough for those that wait to do what they do, and each time the lock has to be there.
    for (let n = 0; n < 10; n++) await stat(path)
    inside--
  }
  await Promise.all(Array.from({ length: 12 }, () => withLock(path, quiet, enter)))
  return insideMax
}

const filesOf = async (path: string): Promise<string[]> =>
  (await readdir(dirname(path))).filter((name) => name.startsWith(basename(path)))

test('only one process at a time holds the lock, and it leaves nothing behind', async () => {
  const path = newLock()
  expect(await crowd(path)).toBe(1)
  expect(await filesOf(path)).toEqual([])
})

test('the lock of a killed process is broken by exactly one of the waiting processes', async () => {
  const path = newLock()
  const holder = startNode('--eval', ['setInterval(() => {}, 1000); console.log("up")'])
  await holder.line(/up/)
  await writeFile(path, [holder.pid, await birthOf(holder.pid), randomUUID()].join('\n'))
  const order: string[] = []
  const crowded = crowd(path).finally(() => order.push('held'))
  await turn()
  order.push('killed')
  await holder.kill('SIGKILL')
  expect(await crowded).toBe(1)
  expect(order).toEqual(['killed', 'held'])
  expect(await filesOf(path)).toEqual([])
})

test('a process that finds a stale lock already broken by another does not break the new one', async () => {
  const path = newLock()
  const alive = [process.pid, await birthOf(process.pid), randomUUID()].join('\n')
  await writeFile(path, DEAD)
  await writeFile(`${path}.breaking`, alive)
  const lines: string[] = []
  const waits = (file: string) =>
    expect.poll(() => lines, { timeout: 10_000 }).toContainEqual(expect.stringMatching(new RegExp(`${file}$`)))
  const log = (line: string) => void lines.push(line)
  const late = withLock(path, log, async () => 'entered')
  await waits(`${path}.breaking`)
  await writeFile(path, alive) // Another one has broken the lock meanwhile, and holds it.
  await rm(`${path}.breaking`)
  await waits(path)
  expect(await readFile(path, 'utf8')).toBe(alive)
  await rm(path)
  expect(await late).toBe('entered')
})

test.runIf(process.platform === 'linux')(
  'the lock of a dead process is stale even if its process id is reused',
  async () => {
    const path = newLock()
    await writeFile(path, [process.pid, 'an earlier birth', randomUUID()].join('\n'))
    expect(await crowd(path)).toBe(1)
  },
)

test('a lock whose holder was killed before it wrote its name becomes stale after a while', async () => {
  const path = newLock()
  await writeFile(path, '')
  await utimes(path, new Date(), new Date(Date.now() - 60_000))
  expect(await crowd(path)).toBe(1)
})

test('a process that is killed while breaking a lock does not block the others', async () => {
  const path = newLock()
  await writeFile(path, DEAD)
  await writeFile(`${path}.breaking`, DEAD)
  expect(await crowd(path)).toBe(1)
  expect(await filesOf(path)).toEqual([])
})

test('the lock is free again after a failure', async () => {
  const path = newLock()
  await expect(withLock(path, quiet, () => Promise.reject(new Error('inside')))).rejects.toThrow('inside')
  expect(await withLock(path, quiet, async () => 'free')).toBe('free')
})
