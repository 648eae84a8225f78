// A Redis of its own for a test, from the `redis-server` of the machine.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { closedPort } from './local-servers.ts'

/** Undefined, with the reason printed, where there is none; an error where RUNYARD_TEST_REQUIRE says that there must be. */
export const redisMissing: string | undefined = (() => {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' })
    return undefined
  } catch {
    const reason = 'redis-server is not installed, so tests with Redis are skipped'
    if (process.env.RUNYARD_TEST_REQUIRE?.includes('redis')) throw new Error(reason)
    console.warn(reason)
    return reason
  }
})()

export type TestRedis = {
  url: string
  kill: () => Promise<void>
  start: () => Promise<void>
  /** Hangs from SIGSTOP to SIGCONT. */
  signal: (name: 'SIGSTOP' | 'SIGCONT') => void
}

export async function testRedis(): Promise<TestRedis> {
  const port = await closedPort()
  const dir = mkdtempSync(join(tmpdir(), 'runyard-redis-'))
  let server: ChildProcess | undefined
  const kill = async () => {
    if (!server || server.exitCode !== null || server.signalCode !== null) return
    const ended = once(server, 'exit')
    server.kill('SIGKILL')
    await ended
  }
  const start = async () => {
    server = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', dir], {
      stdio: 'ignore',
    })
    for (let tries = 0; !(await answers(port)); tries++) {
      if (tries > 200) throw new Error('redis-server does not answer')
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }
  onTestFinished(async () => {
    await kill()
    rmSync(dir, { recursive: true, force: true })
  })
  await start()
  return { url: `redis://127.0.0.1:${port}`, kill, start, signal: (name) => void server?.kill(name) }
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
