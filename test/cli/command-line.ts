// The program `runyard` as a process of its own: what it prints on each channel, and how it ends.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { inject, onTestFinished } from 'vitest'
import { KEY } from '#test/support/http-yard.ts'

export type Ended = { code: number | null; stdout: string; stderr: string }
type Given = { stdin?: string; stdinStaysOpen?: boolean; env?: Record<string, string>; cwd?: string }
export type Running = {
  ended: Promise<Ended>
  /** Resolves when stdout and stderr together contain the text. */
  printed: (text: string) => Promise<void>
  signal: (name: NodeJS.Signals) => void
  closeStdout: () => void
}
export type CommandLine = {
  run: (args: readonly string[], given?: Given) => Promise<Ended>
  start: (args: readonly string[], given?: Given) => Running
  folder: string
}

const ENDS_WITHIN_MS = 90_000

/** Runs against a server with the operator's key, unless `given.env` says otherwise, and with no other settings. */
export function commandLine(address: string): CommandLine {
  const folder = mkdtempSync(join(inject('testRoot'), 'cli-'))
  const start = (
    args: readonly string[],
    { stdin = '', stdinStaysOpen, env = {}, cwd = folder }: Given = {},
  ): Running => {
    const child = spawn(process.execPath, [join(import.meta.dirname, '../../src/cli/main.ts'), ...args], {
      cwd,
      env: {
        PATH: process.env.PATH,
        XDG_CONFIG_HOME: join(folder, 'config'),
        TZ: 'UTC',
        NODE_COMPILE_CACHE: join(inject('testRoot'), 'compile-cache'),
        RUNYARD_URL: address,
        RUNYARD_API_KEY: KEY,
        ...env,
      },
    })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk))
    child.stdin.on('error', () => {})
    if (stdinStaysOpen) child.stdin.write(stdin)
    else child.stdin.end(stdin)
    onTestFinished(() => void child.kill('SIGKILL'))
    const timer = setTimeout(() => child.kill('SIGKILL'), ENDS_WITHIN_MS)
    const ended = once(child, 'close').then(([code]) => {
      clearTimeout(timer)
      return { code: code as number | null, stdout, stderr }
    })
    const printed = async (text: string) => {
      while (!(stdout + stderr).includes(text))
        await Promise.race([
          once(child.stdout, 'data'),
          once(child.stderr, 'data'),
          ended.then(() => {
            if (!(stdout + stderr).includes(text)) throw new Error(`it ended before "${text}": ${stdout}${stderr}`)
          }),
        ])
    }
    return { ended, printed, signal: (name) => void child.kill(name), closeStdout: () => child.stdout.destroy() }
  }
  return { run: (args, given) => start(args, given).ended, start, folder }
}
