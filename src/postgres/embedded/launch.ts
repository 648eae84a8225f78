// Starts the PostgreSQL server process of a data folder and waits until it takes connections.

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile, rename, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Account } from './account.ts'
import { type Binaries, programOf } from './binaries.ts'
import { failure } from './failure.ts'
import { disarmPidFile, findServer, readPidFile, type Server } from './pidfile.ts'
import { choosePort } from './port.ts'
import { programOptions, runProgram } from './program.ts'
import { argsOf, type Settings, serverSettings } from './settings.ts'

const LOG_MAX_BYTES = 20 * 2 ** 20
const POLL_MS = 5
// After a crash the server first replays up to max_wal_size of its log.
const READY_MAX_MS = 300_000
const TRIES_MAX = 40
const RETRY_MS = 250

export type Launch = {
  folder: string
  logFile: string
  account: Account | undefined
  binaries: Binaries
  port: number | undefined
  settings: Settings
  log: (line: string) => void
}

/** Starts a server on `port` when that is free, else on any; returns when it takes connections. */
export async function launch(options: Launch): Promise<Server> {
  const { folder, logFile, binaries, account } = options
  await rotate(logFile)
  await disarmPidFile(folder)
  const lz4 = await hasLz4(options)
  for (let tries = 1; ; tries++) {
    const port = await choosePort(tries === 1 ? options.port : undefined)
    const args = ['-D', folder, ...argsOf({ ...serverSettings({ port, lz4 }), ...options.settings })]
    const from = await sizeOf(logFile)
    const child = startProcess(programOf(binaries, 'postgres'), args, { logFile, account })
    const started = await waitUntilReady(folder, child)
    if (started.server) {
      child.process.once('exit', (code, name) => {
        if (code !== 0) options.log(`PostgreSQL has crashed (${name ?? `exit code ${code}`}); its log is ${logFile}`)
      })
      return started.server
    }
    const said = `${(await readFile(logFile)).subarray(from)}\n${started.how}`
    // A port can be taken between our look and the server's; a process of a server that was killed can outlive
    // it by the statement that it is in.
    const passing = /could not create any TCP\/IP sockets|pre-existing shared memory block/.test(said)
    if (!passing || tries === TRIES_MAX) throw failure(`PostgreSQL did not start on ${folder}`, said, folder)
    if (said.includes('shared memory block')) await sleep(RETRY_MS)
  }
}

/** Waits for a server that somebody else started; undefined when it ended instead. */
export async function waitForServer(folder: string): Promise<Server | undefined> {
  const giveUpAt = Date.now() + READY_MAX_MS
  while (Date.now() < giveUpAt) {
    const server = await findServer(folder)
    if (!server || server.status === 'ready') return server
    await sleep(POLL_MS)
  }
  throw new Error(`The PostgreSQL server on ${folder} is neither ready nor gone after ${READY_MAX_MS / 1000} s.`)
}

type Child = { process: ChildProcess; ended(): string | undefined }

function startProcess(path: string, args: string[], to: { logFile: string; account: Account | undefined }): Child {
  // Opened by us and inherited: the server's account may be unable to enter the folder of the log.
  const output = openSync(to.logFile, 'a', 0o600)
  // Detached: Ctrl-C in a terminal goes to a whole process group, and must reach this process only, which
  // stops the server after everything that uses it.
  const child = spawn(path, args, { ...programOptions(to.account), detached: true, stdio: ['ignore', output, output] })
  closeSync(output)
  child.unref()
  let failed: string | undefined
  child.once('error', ({ message }) => {
    failed = message
  })
  const ended = () =>
    failed ?? child.signalCode ?? (child.exitCode === null ? undefined : `exit code ${child.exitCode}`)
  return { process: child, ended }
}

async function waitUntilReady(folder: string, child: Child): Promise<{ server?: Server; how: string }> {
  const giveUpAt = Date.now() + READY_MAX_MS
  while (Date.now() < giveUpAt) {
    const how = child.ended()
    if (how !== undefined) return { how }
    const server = await readPidFile(folder)
    // Another id is a line that a dead server left behind.
    if (server?.pid === child.process.pid && server?.status === 'ready') return { server, how: '' }
    await sleep(POLL_MS)
  }
  // It is left alone: ended now, it would begin its recovery anew, and the next start finds it.
  return { how: `it is not ready after ${READY_MAX_MS / 1000} s, and goes on` }
}

async function hasLz4({ binaries, folder, account }: Launch): Promise<boolean> {
  const args = ['-D', folder, '-C', 'wal_compression', '-c', 'wal_compression=lz4']
  return (await runProgram(programOf(binaries, 'postgres'), args, account)).ok
}

async function rotate(logFile: string): Promise<void> {
  if ((await sizeOf(logFile)) > LOG_MAX_BYTES) await rename(logFile, `${logFile}.1`)
}

const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  )
