// Processes of a bench. A contestant runs in one of its own, so that none inherits another's heap or compiled code.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { json } from 'node:stream/consumers'

/** Runs a script to its end and gives back the JSON that it printed. A script that takes too long is killed. */
export async function runScript<T>(path: string, input: unknown, timeoutMs: number): Promise<T> {
  const child = spawn(process.execPath, [path], { stdio: ['pipe', 'pipe', 'inherit'] })
  // Through stdin: Linux takes no single argument over 128 KiB. A script that ends without reading it says why itself.
  child.stdin.on('error', () => {})
  child.stdin.end(JSON.stringify(input))
  const late = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  // A bench that is interrupted leaves none of its scripts behind.
  const kill = () => void child.kill('SIGKILL')
  process.once('exit', kill)
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  const [code] = (await once(child, 'close')) as [number | null]
  clearTimeout(late)
  process.off('exit', kill)
  if (code !== 0) throw new Error(`${path} ended with ${code ?? `a kill after ${timeoutMs} ms`}: ${text.slice(-2000)}`)
  return JSON.parse(text.trim().split('\n').at(-1)!) as T
}

/** What `runScript` gave to this process. */
export const scriptInput = async <T>(): Promise<T> => (await json(process.stdin)) as T

export function scriptOutput(output: unknown): void {
  process.stdout.write(`${JSON.stringify(output)}\n`)
}

export type Server = { address: string; pid: number; stop: () => Promise<void> }

/** Starts a long-running process; ready when a line of its output matches. */
export async function startServer(
  command: string,
  args: readonly string[],
  { env, ready }: { env?: NodeJS.ProcessEnv; ready: RegExp },
): Promise<Server> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } })
  const address = await firstMatch(child, ready)
  return {
    address,
    pid: child.pid!,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      const late = setTimeout(() => child.kill('SIGKILL'), 15_000)
      await gone
      clearTimeout(late)
    },
  }
}

function firstMatch(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`a server of the bench ended with ${code}: ${text.slice(-2000)}`)))
    child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-100_000)
      const match = pattern.exec(text)
      if (match) resolve(match[1] ?? match[0])
    })
  })
}
