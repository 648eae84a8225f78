// Child processes for tests: real ones, awaited by what they print, killed for good when the test ends.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { onTestFinished } from 'vitest'

export type NodeProcess = {
  pid: number
  /** All that it printed up to now, on both channels. */
  output(): string
  /** The first match in what it printed or will print; fails when the process ends without it. */
  line(pattern: RegExp, withinMs?: number): Promise<RegExpExecArray>
  say(line: string): void
  /** Sends a signal, by default SIGKILL, and waits until the process is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** To the whole process group, as a terminal does at Ctrl-C. */
  killGroup(signal: NodeJS.Signals): void
  /** The exit code, or the signal that ended it. */
  ended: Promise<number | NodeJS.Signals>
}

export type NodeProcessOptions = {
  env?: NodeJS.ProcessEnv
  cwd?: string
  account?: { uid: number; gid: number } | undefined
}

const LINE_MAX_MS = 20_000
const PRINTED_MAX = 1_000_000

/** Runs a TypeScript file with the Node of this test run. It and its group are gone when the test is finished. */
export const startNode = (file: string, args: string[] = [], options: NodeProcessOptions = {}): NodeProcess =>
  startProgram(process.execPath, [file, ...args], options)

/** The same for any program. */
export function startProgram(program: string, args: string[], options: NodeProcessOptions = {}): NodeProcess {
  const { env, cwd, account } = options
  const child = spawn(program, args, {
    stdio: 'pipe',
    detached: true, // A process group of its own, so that it can be ended with all that it started in it.
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
    ...(account ? { uid: account.uid, gid: account.gid } : {}),
  })
  const pid = child.pid
  if (pid === undefined) throw new Error(`${program} could not be started`)
  const ended = once(child, 'close').then(([code, signal]) => (signal ?? code) as number | NodeJS.Signals)

  let printed = ''
  const print = (chunk: Buffer) => {
    printed = (printed + chunk).slice(-PRINTED_MAX)
    child.emit('printed')
  }
  child.stdout.on('data', print)
  child.stderr.on('data', print)
  child.stdin.on('error', () => {}) // It has ended, which `ended` and `line` tell.

  const killGroup = (signal: NodeJS.Signals) => void signalGroup(pid, signal)
  onTestFinished(async () => {
    killGroup('SIGKILL')
    // Not for ever: a grandchild that left the group may hold the channels open.
    child.stdout.destroy()
    child.stderr.destroy()
    await exited(child)
  })
  return {
    pid,
    output: () => printed,
    line: (pattern, withinMs = LINE_MAX_MS) =>
      lineOf(child, () => pattern.exec(printed), { pattern, withinMs, printed: () => printed }),
    say: (line) => void child.stdin.write(`${line}\n`),
    async kill(signal = 'SIGKILL') {
      child.kill(signal)
      await exited(child)
    },
    killGroup,
    ended,
  }
}

function lineOf(
  child: ChildProcess,
  find: () => RegExpExecArray | null,
  told: { pattern: RegExp; withinMs: number; printed: () => string },
): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) =>
      done(() => reject(new Error(`${why} before ${told.pattern}. It printed:\n${told.printed()}`)))
    const look = () => {
      const found = find()
      if (found) done(() => resolve(found))
    }
    const end = () => fail('the process ended')
    const timer = setTimeout(() => fail(`${told.withinMs} ms passed`), told.withinMs)
    const done = (settle: () => void) => {
      clearTimeout(timer)
      child.off('printed', look).off('close', end)
      settle()
    }
    child.on('printed', look).on('close', end)
    look()
  })
}

async function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // ESRCH: all of it has ended.
  }
}
