import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { newDataDir, serverOf } from '../support/embedded.ts'
import { type Call, callerOf, KEY, until } from '../support/http-yard.ts'
import { onceOf } from '../support/once-yard.ts'
import { startNode } from '../support/processes.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')

/** A hang is noticed within 8 s (3 s without an answer, 5 s of a probe), and the machine may be busy. */
const NOTICED_MS = 12_000

/** PostgreSQL with all of its processes: the one that listens, and its children. */
async function processesOf(server: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const parents = await Promise.all(
    // The name of a program, in brackets, may have anything in it; the parent is the second word after it.
    pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').then(parentOf, () => undefined)),
  )
  return [server, ...pids.filter((_, i) => parents[i] === server)]
}

const parentOf = (stat: string) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])

/** As a machine that swaps, a disk that hangs or a paused container does it; returns what lets it go on. */
async function stop(server: number): Promise<() => void> {
  let stopped = [server]
  const goOn = () => {
    for (const pid of stopped) signal(pid, 'SIGCONT')
  }
  onTestFinished(goOn)
  // First the one that makes others.
  signal(server, 'SIGSTOP')
  stopped = await processesOf(server)
  for (const pid of stopped) signal(pid, 'SIGSTOP')
  return goOn
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {} // It has ended.
}

async function timed(asked: ReturnType<Call>): Promise<{ status: number; ms: number }> {
  const beganMs = performance.now()
  const { status } = await asked
  return { status, ms: performance.now() - beganMs }
}

test.runIf(process.platform === 'linux')(
  'while all of PostgreSQL hangs, calls and locks get 503 in time, readiness reports it, and everything continues when it recovers',
  { timeout: 180_000 },
  async () => {
    const dataDir = await newDataDir()
    const env = {
      PORT: '0',
      RUNYARD_DATA_DIR: dataDir,
      DATABASE_URL: '',
      RUNYARD_API_KEY: KEY,
      RUNYARD_DEMO: 'off',
      RUNYARD_DRAIN_MS: '0',
      RUNYARD_SHUTDOWN_GRACE_MS: '500',
    }
    const node = startNode(MAIN, [], { env })
    const call = callerOf((await node.line(/is ready at (\S+)/, 60_000))[1]!)
    const once = onceOf(call)
    await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
    const run = (await call('POST', '/v1/jobs/j/runs', {})).body
    expect((await once('POST', '/ai/lease', { key: 'before' })).status).toBe(200)
    const server = (await until(
      () => serverOf(dataDir),
      (found) => found?.status === 'ready',
    ))!

    const goOn = await stop(server.pid)
    const everything = () => [
      timed(call('GET', `/v1/runs/${run.id}`)),
      timed(call('GET', '/v1/runs')),
      timed(call('POST', '/v1/jobs/j/runs', {})),
      timed(call('POST', '/v1/workers/claim', { worker_id: 'w' })),
      timed(once('POST', '/check-lock', { key: 'k', ttl: 60 })),
      timed(once('POST', '/ai/lease', { key: 'k' })),
      timed(once('GET', '/ai/status?key=before')),
      timed(call('GET', '/health/ready')),
    ]
    const first = await Promise.all(everything())
    expect(first.filter(({ status, ms }) => status !== 503 || ms > NOTICED_MS)).toEqual([])
    // From then on nobody waits at all.
    const next = await Promise.all(everything())
    expect(next.filter(({ status, ms }) => status !== 503 || ms > 3_000)).toEqual([])
    expect((await call('GET', '/health/live')).status).toBe(200)

    goOn()
    await until(
      () => call('GET', '/health/ready'),
      (reply) => reply.status === 200,
      60_000,
    )
    expect((await call('GET', `/v1/runs/${run.id}`)).body.status).toBe('queued')
    expect((await once('GET', '/ai/status?key=before')).status).toBe(200)
    expect((await call('POST', '/v1/jobs/j/runs', {})).status).toBe(201)
    await node.kill('SIGTERM')
  },
)
