// One PostgreSQL server for the whole test run: an embedded one in a temporary folder, or the one that
// TEST_DATABASE_URL or DATABASE_URL names. Tests make databases of their own on it (db.ts).

import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { findBinaries } from '#storage/embedded/binaries.ts'
import { isAlive } from '#storage/embedded/process-table.ts'
import { startEmbedded } from '#storage/embedded/server.ts'
import { stopServer } from '#storage/embedded/stop.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Of a role that may create databases. */
    adminUrl: string
    /** A folder for everything that tests leave on the disk; removed at the end with every server in it. */
    testRoot: string
  }
}

const ROOT_PREFIX = 'runyard-test-'

// These trade the safety of the data for speed, so they are for tests alone.
const UNSAFE_AND_FAST = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeLeftovers()
  const root = await mkdtemp(join(tmpdir(), `${ROOT_PREFIX}${process.pid}-`))
  await chmod(root, 0o711) // As root, PostgreSQL runs under another account, which has to get through.
  project.provide('testRoot', root)
  project.provide('adminUrl', await adminUrl(root))
  return () => removeRoot(root)
}

async function adminUrl(root: string): Promise<string> {
  const given = process.env.TEST_DATABASE_URL || process.env.DATABASE_URL
  if (given) return given
  const server = await startEmbedded({ dataDir: join(root, 'shared'), log: () => {}, settings: UNSAFE_AND_FAST })
  return server.url
}

/** What a test run left that was killed before its end. The name of its folder tells its process. */
async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(name.startsWith(ROOT_PREFIX) && name.slice(ROOT_PREFIX.length).split('-')[0])
    // A folder of another user's run stays: that user's next run removes it.
    if (pid > 0 && !(await isAlive(pid))) await removeRoot(join(tmpdir(), name)).catch(() => {})
  }
}

async function removeRoot(root: string): Promise<void> {
  const pidFiles = (await readdir(root, { recursive: true })).filter((path) => basename(path) === 'postmaster.pid')
  for (const path of pidFiles) await stopServer(dirname(join(root, path)), findBinaries())
  await rm(root, { recursive: true, force: true, maxRetries: 5 })
}
