// A real server for tests, on an embedded PostgreSQL in a folder that goes with it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Client, createClient } from '../client.ts'
import { atMost } from '../sleep.ts'

/** Which server is started, and how. */
export type TestServerOptions = {
  /** Program and arguments that start a server; the installed package runyard-server unless set. */
  command?: readonly [string, ...string[]]
  /** Settings of the server, such as DATABASE_URL. */
  env?: Record<string, string>
  /** How long a start may take. */
  startMs?: number
}

/** A running server, and a client of its project `default`. */
export type TestServer = {
  baseUrl: string
  /** Of the project `default`, with all scopes. */
  key: string
  client: Client
  /** A project of its own: nothing of one test is seen by another. */
  project: () => Promise<{ id: string; key: string; client: Client }>
  stop: () => Promise<void>
}

const START_MS_MAX = 60_000
const STOP_MS_MAX = 10_000
const OUTPUT_LENGTH_MAX = 100_000
const READY = /Runyard is ready at (http:\/\/\S+)/

/**
 * Starts a real server on an embedded PostgreSQL, on a free port and in a folder of its own, which `stop` removes.
 * Rejects when it is not ready within `startMs`.
 */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const { command = installed(), env = {}, startMs = START_MS_MAX } = options
  const [program, ...args] = command
  const folder = await mkdtemp(join(tmpdir(), 'runyard-test-'))
  const key = `test-${crypto.randomUUID()}`
  const server = spawn(program, args, {
    env: {
      ...inherited(),
      PORT: '0',
      RUNYARD_DATA_DIR: folder,
      RUNYARD_API_KEY: key,
      RUNYARD_DEMO: 'off',
      RUNYARD_EGRESS: 'any',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const stop = async () => {
    // Without a pid it was never started.
    if (server.pid !== undefined && server.exitCode === null && server.signalCode === null) {
      const exited = once(server, 'exit')
      server.kill('SIGINT')
      await atMost(STOP_MS_MAX, exited)
      server.kill('SIGKILL')
    }
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const baseUrl = await readyAt(server, startMs)
    const client = createClient({ baseUrl, credential: key })
    const project = async () => {
      const id = `test-${crypto.randomUUID()}`
      const created = await client.createProject({ id })
      return { id, key: created.key, client: client.as(created.key) }
    }
    return { baseUrl, key, client, project, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Settings of another server, in the environment of the tests, are not for this one. */
function inherited(): NodeJS.ProcessEnv {
  const { env } = process
  return Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !name.startsWith('RUNYARD_') && !['DATABASE_URL', 'PORT', 'HOST'].includes(name),
    ),
  )
}

function installed(): [string, string] {
  try {
    const manifest = createRequire(join(process.cwd(), 'package.json')).resolve('runyard-server/package.json')
    return [process.execPath, join(dirname(manifest), 'runyard-server.js')]
  } catch (error) {
    throw new Error('startTestServer needs the package runyard-server: npm install -D runyard-server', { cause: error })
  }
}

function readyAt(server: ChildProcess, startMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = ''
    const fail = (why: string) => {
      clearTimeout(timer)
      reject(new Error(`The test server ${why}. It printed:\n${printed}`))
    }
    const timer = setTimeout(() => fail(`is not ready after ${startMs} ms`), startMs)
    const read = (chunk: Buffer) => {
      printed = (printed + chunk).slice(-OUTPUT_LENGTH_MAX)
      const ready = READY.exec(printed)
      if (!ready) return
      clearTimeout(timer)
      resolve(ready[1]!)
    }
    server.stdout?.on('data', read)
    server.stderr?.on('data', read)
    server.once('error', (error) => fail(`could not be started: ${error.message}`))
    server.once('exit', (code) => fail(`ended with ${code}`))
  })
}
