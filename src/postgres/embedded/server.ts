// A private PostgreSQL server in the data dir: made at the first start, found again at every other, and
// shared by all Runyard processes on the same folder.

import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Binaries, findBinaries, usableBinaries } from './binaries.ts'
import { explained } from './failure.ts'
import { isComplete, makeCluster, versionOfCluster } from './initdb.ts'
import { launch, waitForServer } from './launch.ts'
import { withLock } from './lock.ts'
import type { Server } from './pidfile.ts'
import { findPlace, makeDataDir, notePlace, type Place, preparePlace } from './place.ts'
import { openPresence, type Presence, urlOf } from './presence.ts'
import { servesFolder } from './process-table.ts'
import type { Settings } from './settings.ts'
import { stopServer } from './stop.ts'

export type EmbeddedOptions = {
  dataDir: string
  log: (line: string) => void
  /** More server settings, over our own. For tests; a setting that the product needs belongs to settings.ts. */
  settings?: Settings
  /** Where data and binaries go that PostgreSQL's account cannot reach otherwise. */
  sharedDir?: string
}

/** `adopted` says that the server was already running. The caller closes its pools before `stop`. */
export type Embedded = {
  url: string
  adopted: boolean
  pid: number
  stop(): Promise<void>
  /** Closes our own connection and leaves the server to itself. */
  leave(): Promise<void>
}

type Setup = Required<EmbeddedOptions> & { binaries: Binaries; place: Place }

export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  try {
    const dataDir = await makeDataDir(options.dataDir)
    const full = { settings: {}, sharedDir: '/var/lib/runyard', ...options, dataDir }
    return await withLock(lockOf(dataDir), options.log, () => start(full))
  } catch (error) {
    throw explained(error, options.dataDir)
  }
}

async function start(options: Required<EmbeddedOptions>): Promise<Embedded> {
  const binaries = findBinaries()
  const place = await findPlace(options)
  await refuseOtherVersion(place.folder, binaries)
  const setup = { ...options, binaries, place }

  const password = await passwordOf(setup)
  const running = await adopt(setup, password)
  const { server, presence } = running ?? (await startAnew(setup, password))

  let stopped: Promise<void> | undefined
  return {
    url: urlOf(server.port, password),
    adopted: running !== undefined,
    pid: server.pid,
    leave: presence.leave,
    stop() {
      stopped ??= withLock(lockOf(options.dataDir), options.log, () => stop(setup, presence))
      return stopped
    },
  }
}

type Running = { server: Server; presence: Presence }

/** Takes over a server that a killed process left behind, or joins the one that another process uses. */
async function adopt({ place: { folder }, log }: Setup, password: string): Promise<Running | undefined> {
  const server = await waitForServer(folder)
  if (!server) return undefined
  try {
    const presence = await openPresence(server, password)
    log(`found PostgreSQL running on port ${server.port}`)
    return { server, presence }
  } catch (cause) {
    // Perhaps no server at all: PostgreSQL itself will decide whether it may start beside that process.
    if ((await servesFolder(server.pid, folder)) !== 'yes') return undefined
    const message = `A PostgreSQL server (process ${server.pid}) runs on ${folder}, but does not let us in. Stop it and start again.`
    throw new Error(message, { cause })
  }
}

async function startAnew(setup: Setup, password: string): Promise<Running> {
  const { dataDir, place, log } = setup
  const { folder, account } = place
  const binaries = await usableBinaries(setup.binaries, { ...setup, account })
  await preparePlace(place, dataDir)
  if (!(await isComplete(folder))) {
    log(`creating a new database in ${folder}`)
    await makeCluster({ folder, account, binaries, password })
  }
  await notePlace(place, dataDir)
  const port = Number(await readText(portFileOf(dataDir))) || undefined
  const logFile = join(dataDir, 'postgres.log')
  const server = await launch({ folder, account, binaries, port, logFile, log, settings: setup.settings })
  try {
    await writeFile(portFileOf(dataDir), `${server.port}\n`)
    return { server, presence: await openPresence(server, password) }
  } catch (error) {
    await stopServer(folder, binaries) // Nobody would have a handle on it.
    throw error
  }
}

async function stop({ place: { folder }, binaries, log }: Setup, presence: Presence): Promise<void> {
  // A server that no longer answers has nobody to wait for.
  const wanted = await presence.isWantedByOthers().catch(() => false)
  await presence.leave()
  if (wanted) log('PostgreSQL keeps running, because another Runyard process is connected to it')
  else await stopServer(folder, binaries)
}

async function refuseOtherVersion(folder: string, { major }: Binaries): Promise<void> {
  const found = await versionOfCluster(folder)
  if (found === undefined || found === major) return
  throw new Error(
    `The data in ${folder} was made by PostgreSQL ${found}, and Runyard now brings PostgreSQL ${major}. Nothing was ` +
      `changed. Dump it with PostgreSQL ${found} and load it into a new one; or move the folder away to begin ` +
      `with an empty database; or set DATABASE_URL to a PostgreSQL ${found} that runs on that folder.`,
  )
}

/** Made once, readable by us only. */
async function passwordOf({ dataDir, place }: Setup): Promise<string> {
  const path = join(dataDir, 'postgres-password')
  const known = (await readText(path)).trim()
  if (known) return known
  if (await isComplete(place.folder)) {
    throw new Error(`${path} is missing, and without it the database in ${place.folder} cannot be opened. Restore it.`)
  }
  const password = randomBytes(32).toString('base64url')
  await writeFile(path, `${password}\n`, { mode: 0o600 })
  return password
}

const lockOf = (dataDir: string): string => join(dataDir, 'postgres-lock')
const portFileOf = (dataDir: string): string => join(dataDir, 'postgres-port')
const readText = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')
