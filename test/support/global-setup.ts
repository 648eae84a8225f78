// One PostgreSQL server for the whole test run: an embedded one in a temporary folder, or the one that
// TEST_DATABASE_URL or DATABASE_URL names. Tests make databases of their own on it (db.ts).

import { chmod, mkdtemp, readdir, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { findBinaries } from '#postgres/embedded/binaries.ts'
import { isAlive } from '#postgres/embedded/process-table.ts'
import { startEmbedded } from '#postgres/embedded/server.ts'
import { stopServer } from '#postgres/embedded/stop.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Of a role that may create databases. */
    adminUrl: string
    /** A folder for everything that tests leave on the disk; removed at the end with every server in it. */
    testRoot: string
  }
}

const ROOT_PREFIX = 'runyard-test-'
const MEMORY_DISK = '/dev/shm'
const MEMORY_DISK_FREE_MIN = 2 * 2 ** 30

// These trade the safety of the data for speed, so they are for tests alone.
const UNSAFE_AND_FAST = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_wal_size: '256MB' }

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeLeftovers()
  const root = await makeRoot(tmpdir())
  project.provide('testRoot', root)

  const given = process.env.TEST_DATABASE_URL || process.env.DATABASE_URL
  if (given) {
    project.provide('adminUrl', given)
    return () => removeRoot(root)
  }
  const serverRoot = await makeRoot(await quickestFolder())
  const dataDir = join(serverRoot, 'data')
  const server = await startEmbedded({ dataDir, log: () => {}, settings: UNSAFE_AND_FAST })
  project.provide('adminUrl', server.url)
  return async () => {
    await server.stop()
    await removeRoot(serverRoot)
    await removeRoot(root)
  }
}

/** A clone of the template is hundreds of small files: 15 ms in memory, 300 ms on a disk. */
async function quickestFolder(): Promise<string> {
  const memory = await statfs(MEMORY_DISK).catch(() => undefined)
  return memory && memory.bavail * memory.bsize > MEMORY_DISK_FREE_MIN ? MEMORY_DISK : tmpdir()
}

async function makeRoot(parent: string): Promise<string> {
  const root = await mkdtemp(join(parent, `${ROOT_PREFIX}${process.pid}-`))
  await chmod(root, 0o711) // As root, PostgreSQL runs under another account, which has to get through.
  return root
}

/** What a test run left that was killed before its end. The name of its folder tells its process. */
async function removeLeftovers(): Promise<void> {
  for (const parent of [tmpdir(), MEMORY_DISK]) {
    for (const name of await readdir(parent).catch(() => [])) {
      const pid = Number(name.startsWith(ROOT_PREFIX) && name.slice(ROOT_PREFIX.length).split('-')[0])
      // A folder of another user's run stays: that user's next run removes it.
      if (pid > 0 && !(await isAlive(pid))) await removeRoot(join(parent, name)).catch(() => {})
    }
  }
}

async function removeRoot(root: string): Promise<void> {
  const pidFiles = (await readdir(root, { recursive: true })).filter((path) => basename(path) === 'postmaster.pid')
  for (const path of pidFiles) await stopServer(dirname(join(root, path)), findBinaries())
  await rm(root, { recursive: true, force: true, maxRetries: 5 })
}
