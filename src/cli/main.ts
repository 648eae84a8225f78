#!/usr/bin/env node
// `runyard`: the command line. Everything that belongs to the process is here: arguments, environment, signals, exit.
import { readFileSync } from 'node:fs'
import module from 'node:module'
import { EXIT } from './exit-codes.ts'

// What is compiled is kept for the next start, which then takes half as long; Node 20 cannot.
module.enableCompileCache?.()
const { runProgram } = await import('./program.ts')

const stopping = new AbortController()

function stopAt(signal: NodeJS.Signals, exit: number): void {
  process.on(signal, () => {
    // The second one means now.
    if (stopping.signal.aborted) process.exit(exit)
    stopping.abort(Object.assign(new Error(`stopped by ${signal}`), { exit }))
  })
}

// Whoever reads has seen enough, as `head` does: that is no error.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok)
    throw error
  })

stopAt('SIGINT', EXIT.interrupted)
stopAt('SIGTERM', EXIT.terminated)

/** Two folders up, in the package as in the repository. */
const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

process.exitCode = await runProgram({
  argv: process.argv.slice(2),
  env: process.env,
  signal: stopping.signal,
  version: manifest.version,
})
