import { join } from 'node:path'
import { expect, test } from 'vitest'
import { newDataDir, serverOf } from '../support/embedded.ts'
import { callerOf, KEY, until } from '../support/http-yard.ts'
import { startNode } from '../support/processes.ts'

const KILLS_MAX = 30
const MAIN = join(import.meta.dirname, '../../src/main.ts')

async function startWhole() {
  const dataDir = await newDataDir()
  const node = startNode(MAIN, [], {
    env: {
      PORT: '0',
      RUNYARD_DATA_DIR: dataDir,
      DATABASE_URL: '',
      RUNYARD_API_KEY: KEY,
      RUNYARD_DEMO: 'off',
      RUNYARD_SHUTDOWN_GRACE_MS: '500',
    },
  })
  const address = (await node.line(/is ready at (\S+)/, 60_000))[1]!
  return { dataDir, node, call: callerOf(address) }
}

/** What is gone by itself meanwhile need not be killed. */
function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function killServer(dataDir: string): Promise<number> {
  const server = await until(
    () => serverOf(dataDir),
    (found) => found?.status === 'ready',
    60_000,
  )
  killNow(server!.pid)
  return server!.pid
}

test('an embedded PostgreSQL that was killed is restarted, reported in readiness and in the log, and nothing is lost', {
  timeout: 120_000,
}, async () => {
  const { dataDir, node, call } = await startWhole()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const run = (await call('POST', '/v1/jobs/j/runs', {})).body
  for (let times = 0; times < 2; times++) {
    await killServer(dataDir)
    const health = () => call('GET', '/health/ready')
    const down = await until(health, (reply) => reply.status === 503)
    expect(down.body.checks.filter((it: { ok: boolean }) => !it.ok)).not.toEqual([])
    await until(health, (reply) => reply.status === 200, 60_000)
  }
  expect((await call('GET', `/v1/runs/${run.id}`)).body.status).toBe('queued')
  expect((await call('POST', '/v1/jobs/j/runs', {})).status).toBe(201)
  expect(node.output()).toMatch(/PostgreSQL has crashed; restarting it in 250 ms[\s\S]*PostgreSQL is running again/)
  await node.kill('SIGTERM')
  expect(await serverOf(dataDir)).toBeUndefined()
})

test('a node whose PostgreSQL crashes again and again exits, and says what to do', { timeout: 180_000 }, async () => {
  const { dataDir, node } = await startWhole()
  let ended = false
  void node.ended.then(() => {
    ended = true
  })
  // Until the node gives up: two kills in a row may be one death to it, on a busy machine.
  for (let kills = 0; kills < KILLS_MAX && !ended; kills++) {
    const found = await until(
      () => serverOf(dataDir),
      (server) => ended || server?.status === 'ready',
      60_000,
    )
    if (ended || !found) break
    killNow(found.pid)
    await until(
      () => serverOf(dataDir),
      (server) => ended || server?.pid !== found.pid,
      60_000,
    )
  }
  expect(await node.ended).toBe(1)
  expect(node.output()).toMatch(/PostgreSQL has died 6 times.*postgres\.log.*DATABASE_URL/)
  expect(await serverOf(dataDir)).toBeUndefined()
})
