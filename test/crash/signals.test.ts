import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect as openSocket } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { BUG_EXIT_CODE } from '../../src/last-guard.ts'
import { testDatabase } from '../support/db.ts'
import { newDataDir, serverOf } from '../support/embedded.ts'
import { callerOf, KEY, openNode, until, untilState } from '../support/http-yard.ts'
import { closedPort, httpServer, tcpServer } from '../support/local-servers.ts'
import { startNode } from '../support/processes.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
const ROOT = join(import.meta.dirname, '../..')

/** What an operator types, in a terminal of its own; `ended` is how long it took to end and how it did. */
async function npmStart(env: Record<string, string>): Promise<{ npm: ChildProcess; output: () => string }> {
  const npm = spawn('npm', ['start'], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => {
    try {
      process.kill(-npm.pid!, 'SIGKILL')
    } catch {} // All of it has ended.
  })
  let printed = ''
  for (const channel of [npm.stdout, npm.stderr]) channel!.on('data', (chunk) => (printed += chunk))
  await until(
    async () => printed,
    (text) => /is ready at/.test(text) || npm.exitCode !== null,
    60_000,
  )
  return { npm, output: () => printed }
}

async function startedOnNewFolder(more: Record<string, string> = {}) {
  const dataDir = await newDataDir()
  const port = await closedPort()
  const env = { PORT: String(port), RUNYARD_DATA_DIR: dataDir, RUNYARD_DEMO: 'off', DATABASE_URL: '', ...more }
  return { dataDir, address: `http://127.0.0.1:${port}`, ...(await npmStart(env)) }
}

const isGone = async (address: string): Promise<boolean> =>
  fetch(`${address}/health/live`).then(
    () => false,
    () => true,
  )

test('SIGTERM to npm stops the server cleanly: it reports that it is not ready, keeps working, and closes', {
  timeout: 120_000,
}, async () => {
  const { npm, address, dataDir, output } = await startedOnNewFolder({ RUNYARD_DRAIN_MS: '3000' })
  const call = callerOf(address)
  await until(
    () => call('GET', '/health/ready'),
    (reply) => reply.status === 200,
  )
  const ended = once(npm, 'exit')
  npm.kill('SIGTERM')
  const draining = await until(
    () => call('GET', '/health/ready'),
    (reply) => reply.status === 503,
  )
  expect(draining.body.checks).toContainEqual({ name: 'draining', ok: false, age_ms: null })
  // Who has not noticed yet is served, and asked to connect anew.
  const served = await call('GET', '/health/live')
  expect([served.status, served.headers.get('connection')]).toEqual([200, 'close'])
  await ended
  expect(output()).toMatch(/SIGTERM: finishing work in progress/)
  await until(() => isGone(address), Boolean, 15_000)
  await until(
    () => serverOf(dataDir),
    (server) => server === undefined,
    15_000,
  )
})

test('Ctrl-C in the terminal of npm counts as one signal although it arrives twice', { timeout: 120_000 }, async () => {
  const { npm, address, dataDir, output } = await startedOnNewFolder()
  const ended = once(npm, 'exit')
  process.kill(-npm.pid!, 'SIGINT')
  await ended
  await until(() => isGone(address), Boolean, 15_000)
  await until(
    () => serverOf(dataDir),
    (server) => server === undefined,
    15_000,
  )
  expect(output()).not.toMatch(/could not stop cleanly/)
})

test('a start whose port is in use stops the PostgreSQL that it started', { timeout: 60_000 }, async () => {
  const { port } = await tcpServer(() => {})
  const dataDir = await newDataDir()
  const env = { PORT: String(port), RUNYARD_DATA_DIR: dataDir, DATABASE_URL: '', RUNYARD_DEMO: 'off' }
  const node = startNode(MAIN, [], { env })
  await node.line(/127\.0\.0\.1:\d+ is already in use; stop what listens there, or change PORT/, 60_000)
  expect(await node.ended).toBe(1)
  expect(await serverOf(dataDir)).toBeUndefined()
  expect(node.output()).not.toMatch(/keeps running/)
})

test('an uncaught bug is logged, returns leases immediately, and ends the process', {
  timeout: 60_000,
}, async () => {
  const { url } = await testDatabase()
  let calls = 0
  // The first call is never answered.
  const endpoint = await httpServer((_, response) => void (++calls > 1 && response.end('"done"')))
  const node = startNode('test/support/node-process.ts', [], {
    env: {
      DATABASE_URL: url,
      PORT: '0',
      RUNYARD_EGRESS: 'any',
      RUNYARD_API_KEY: KEY,
      RUNYARD_SHUTDOWN_GRACE_MS: '100',
    },
  })
  const call = callerOf((await node.line(/ready at (\S+)/))[1]!)
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'http', endpoint_url: endpoint.url })
  const run = (await call('POST', '/v1/jobs/j/runs', {})).body
  await until(
    async () => calls,
    (n) => n === 1,
  )
  node.say('fail')
  await node.line(
    /a rejection that nobody handled.*"message":"nobody foresaw this"|nobody foresaw this.*a rejection that nobody handled/s,
  )
  expect(await node.ended).toBe(BUG_EXIT_CODE)
  const other = callerOf((await openNode(url)).address)
  expect((await untilState(other, run.id, ['completed'], 5_000)).body.status).toBe('completed')
})

test('a request whose body never arrives does not delay the shutdown of a node beyond the grace period', {
  timeout: 60_000,
}, async () => {
  const { url } = await testDatabase()
  const env = { PORT: '0', DATABASE_URL: url, RUNYARD_API_KEY: KEY, RUNYARD_DEMO: 'off' }
  const more = { RUNYARD_DRAIN_MS: '0', RUNYARD_SHUTDOWN_GRACE_MS: '500' }
  const node = startNode(MAIN, [], { env: { ...env, ...more } })
  const address = new URL((await node.line(/is ready at (\S+)/, 60_000))[1]!)
  const socket = openSocket(Number(address.port), address.hostname)
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  const head = ['POST /v1/jobs HTTP/1.1', 'host: x', `authorization: Bearer ${KEY}`, 'expect: 100-continue']
  socket.write([...head, 'content-type: application/json', 'content-length: 100', '', '{'].join('\r\n'))
  // It is being read.
  await once(socket, 'data')
  const beganMs = performance.now()
  await node.kill('SIGTERM')
  expect(await node.ended).toBe(0)
  expect(performance.now() - beganMs).toBeLessThan(10_000)
})
