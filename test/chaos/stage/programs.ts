// The programs of the stage: real processes, all of which are gone when the stage is left, whatever happens.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { Account } from '#postgres/embedded/account.ts'

export type Program = {
  pid: number
  isRunning(): boolean
  /** The exit code, or the signal that ended it; undefined while it runs. */
  endedBy(): number | NodeJS.Signals | undefined
  signal(name: NodeJS.Signals): void
  /** Sends a signal and waits until the process is gone; with SIGKILL when it takes longer than `withinMs`. */
  end(signal: NodeJS.Signals, withinMs?: number): Promise<void>
  ended: Promise<unknown>
}

type ProgramOptions = { logFile: string; env?: NodeJS.ProcessEnv; account?: Account | undefined; cwd?: string }

const END_MS_MAX = 20_000
const running = new Set<ChildProcess>()

// PostgreSQL ends its own children when it is told to; with SIGKILL they notice by themselves.
process.once('exit', () => {
  for (const child of running) {
    child.kill('SIGCONT')
    child.kill('SIGQUIT')
    child.kill('SIGKILL')
  }
})

/** Its output goes to the end of `logFile`. */
export function startProgram(command: string, args: readonly string[], options: ProgramOptions): Program {
  const { logFile, env, account, cwd = '/' } = options
  const out = openSync(logFile, 'a')
  const child = spawn(command, args, {
    stdio: ['ignore', out, out],
    cwd,
    env: { ...process.env, ...env },
    ...(account && { uid: account.uid, gid: account.gid }),
  })
  closeSync(out)
  if (child.pid === undefined) throw new Error(`${command} could not be started`)
  running.add(child)
  const isRunning = () => child.exitCode === null && child.signalCode === null
  const ended = once(child, 'exit').then(() => running.delete(child))
  return {
    pid: child.pid,
    isRunning,
    endedBy: () => child.exitCode ?? child.signalCode ?? undefined,
    signal: (name) => void child.kill(name),
    async end(signal, withinMs = END_MS_MAX) {
      if (!isRunning()) return
      child.kill(signal)
      const late = setTimeout(() => child.kill('SIGKILL'), withinMs)
      await ended
      clearTimeout(late)
    },
    ended,
  }
}

/** Runs a program to its end, and fails with what it printed when it fails. */
export async function run(command: string, args: readonly string[], account?: Account): Promise<string> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: '/',
    ...(account && { uid: account.uid, gid: account.gid }),
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      printed = (printed + chunk).slice(-100_000)
    })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${printed}`)
  return printed
}

/** A port on which nothing listens now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** The processes that this one has started. */
export async function childrenOf(parent: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const parents = await Promise.all(
    // The name of a program, in brackets, may have anything in it; the parent is the second word after it.
    pids.map((pid) =>
      readFile(`/proc/${pid}/stat`, 'utf8').then(
        (stat) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]),
        () => undefined,
      ),
    ),
  )
  return pids.filter((_, at) => parents[at] === parent)
}

export function signalTo(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {} // It has ended.
}
