// A PostgreSQL server of a test's own, which may be crashed, copied and started again. It is the embedded one, or that
// of the folder in RUNYARD_TEST_POSTGRES, such as Debian's /usr/lib/postgresql/15.

import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { inject, onTestFinished } from 'vitest'
import { type Account, findAccount, isRoot } from '#postgres/embedded/account.ts'
import { type Binaries, findBinaries, usableBinaries } from '#postgres/embedded/binaries.ts'
import { makeCluster } from '#postgres/embedded/initdb.ts'
import { launch } from '#postgres/embedded/launch.ts'
import { findServer } from '#postgres/embedded/pidfile.ts'
import { urlOf } from '#postgres/embedded/presence.ts'
import { isAlive } from '#postgres/embedded/process-table.ts'
import type { Settings } from '#postgres/embedded/settings.ts'
import { stopServer } from '#postgres/embedded/stop.ts'
import { until } from '../http-yard.ts'

export const DEBIAN_15 = '/usr/lib/postgresql/15'

/** Undefined, with the reason printed, where there is none; an error where RUNYARD_TEST_REQUIRE says that there must be. */
export const pgDumpMissing: string | undefined = (() => {
  if (existsSync(join(DEBIAN_15, 'bin', 'pg_dump'))) return undefined
  const reason = `pg_dump is not in ${DEBIAN_15}, so tests that dump with it are skipped`
  if (process.env.RUNYARD_TEST_REQUIRE?.includes('postgresql-15')) throw new Error(reason)
  console.warn(reason)
  return reason
})()

const PASSWORD = 'of-a-test'

export type OwnServer = {
  folder: string
  account: Account | undefined
  binaries: Binaries
  /** Of a database on it; before the first start, or while it is down, of where it was. */
  url(database?: string): string
  /** On the port that it had before. */
  start(): Promise<void>
  stop(): Promise<void>
  /** SIGKILL ends the server without any farewell; SIGQUIT is what an operator calls an immediate shutdown. */
  crash(signal: 'SIGKILL' | 'SIGQUIT'): Promise<void>
}

export type Of = {
  /** A copy of another server's data; without it the server is new. */
  folder?: string | undefined
  /** The folder with its `bin`, where that is another version's. */
  binaries?: string | undefined
}

/** It is not started yet. */
export async function ownServer(settings: Settings = {}, of: Of = {}): Promise<OwnServer> {
  const account = isRoot() ? await findAccount() : undefined
  const binaries = await binariesFor(account, of.binaries ?? process.env.RUNYARD_TEST_POSTGRES)
  const { folder } = of
  const home = join(inject('testRoot'), `server-${randomUUID().slice(0, 8)}`)
  await mkdir(home)
  await chmod(home, 0o711)
  if (account) await chown(home, account.uid, account.gid)
  const data = folder ?? join(home, 'postgres')
  if (!folder) await makeCluster({ folder: data, password: PASSWORD, account, binaries })
  let port: number | undefined
  onTestFinished(async () => {
    await stopServer(data, binaries)
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
    await rm(data, { recursive: true, force: true, maxRetries: 5 })
  })
  return {
    folder: data,
    account,
    binaries,
    url: (database = 'postgres') => urlOf(port!, PASSWORD, database),
    async start() {
      const logFile = join(home, 'log')
      port = (await launch({ folder: data, logFile, account, binaries, port, settings, log: () => {} })).port
    },
    stop: () => stopServer(data, binaries),
    async crash(signal) {
      const { pid } = (await findServer(data))!
      process.kill(pid, signal)
      await until(
        () => isAlive(pid),
        (alive) => !alive,
      )
    },
  }
}

async function binariesFor(account: Account | undefined, folder: string | undefined): Promise<Binaries> {
  if (folder) return { folder, version: '', major: '' }
  return usableBinaries(findBinaries(), { account, sharedDir: '/var/lib/runyard', log: () => {} })
}
