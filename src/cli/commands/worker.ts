// A worker without a program of its own: it executes the runs of the jobs that files export.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '#sdk/client.ts'
import type { AnyJob } from '#sdk/job/job.ts'
import type { Middleware } from '#sdk/steps/context.ts'
import { AttemptStopped } from '#sdk/worker/lease.ts'
import { startWorker } from '#sdk/worker/start-worker.ts'
import type { Cli } from '../cli.ts'
import { type Commands, declare, textOf } from '../command.ts'
import { CommandError, EXIT, fileProblem, usageError } from '../exit-codes.ts'
import { spanWords } from '../moments.ts'
import { oneLine } from '../safe-text.ts'

const CONCURRENCY_MAX = 1_000
const REGISTER = ['all', 'missing', 'off'] as const
type Register = (typeof REGISTER)[number]

export const workerCommands: Commands = (program, open) => {
  declare(program, open, 'worker <file...>', {
    summary: 'Execute runs of the jobs that files export',
    description:
      'Register the jobs that modules export, made with defineJob, and execute their runs until Ctrl-C. With --dev, start ' +
      'again whenever one of the files, or what they import, changes.',
    examples: ['worker jobs.mjs', 'worker jobs.ts --dev', 'worker a.mjs b.mjs --concurrency 50 --register missing'],
    options: (command) => {
      command.option('--dev', 'Start again when a file changes')
      command.option('--concurrency <number>', 'Runs at the same time (default: 10)')
      command.option(
        '--register <which>',
        `Jobs to create or change on the server [${REGISTER.join(', ')}] (default: all)`,
      )
    },
    action: async (cli, given, files) => {
      const concurrency = concurrencyOf(textOf(given, 'concurrency'))
      const register = registerOf(textOf(given, 'register'))
      if (given.dev === true) return watchAndWork(cli)
      await work(cli, { files, concurrency, register })
    },
  })
}

type Working = { files: readonly string[]; concurrency: number; register: Register }

async function work(cli: Cli, { files, concurrency, register }: Working): Promise<void> {
  const { terminal, signal } = cli
  const jobs = (await Promise.all(files.map(jobsOf))).flat()
  const { url, key } = cli.target
  if (key === undefined) {
    throw new CommandError('no_key', `There is no key for ${url}.`, {
      exit: EXIT.auth,
      hint: 'Log in with: runyard login, or set RUNYARD_API_KEY',
    })
  }
  const worker = startWorker({
    client: createClient({ baseUrl: url, credential: key }),
    jobs,
    concurrency,
    register: register === 'off' ? false : register === 'missing' ? 'missing' : true,
    middleware: [told(cli)],
    log: { info: (line) => terminal.say(oneLine(line)), warn: (line) => terminal.warn(oneLine(line)) },
    // This process ends by its own signal, which is told here.
    closeOn: [],
  })
  signal.addEventListener('abort', () => void worker.close(), { once: true })
  await worker.ready
  if (!signal.aborted) terminal.say(`Working on ${jobs.map(({ name }) => oneLine(name)).join(', ')}, until Ctrl-C.`)
  await worker.closed
  signal.throwIfAborted()
}

/** Says of each run when it begins and how its attempt ends. */
const told =
  ({ terminal }: Cli): Middleware =>
  async ({ run, signal }, next) => {
    const name = `${oneLine(run.job_slug)} ${run.id}`
    const beganMs = performance.now()
    const took = () => spanWords(performance.now() - beganMs)
    terminal.say(`${name}  attempt ${run.attempt}`)
    try {
      const result = await next()
      terminal.say(`${name}  ${terminal.styleWords('green', 'completed')} in ${took()}`)
      return result
    } catch (error) {
      if (signal.aborted || error instanceof AttemptStopped) terminal.say(`${name}  rests or stops after ${took()}`)
      else terminal.warn(`${name}  ${terminal.styleWords('red', 'failed')} after ${took()}: ${oneLine(String(error))}`)
      throw error
    }
  }

/** The jobs that a module exports, one by one or in lists. */
async function jobsOf(file: string): Promise<AnyJob[]> {
  const path = resolve(file)
  const module: unknown = await import(pathToFileURL(path).href).catch((error: unknown) => {
    throw importProblem(file, error)
  })
  const jobs = new Set(
    Object.values(module as object)
      .flat(1)
      .filter(isJob),
  )
  if (jobs.size === 0) {
    throw new CommandError('no_jobs', `${file} exports no job.`, {
      exit: EXIT.invalid,
      hint: "Export what defineJob('name', { … }) returns",
    })
  }
  return [...jobs]
}

const isJob = (value: unknown): value is AnyJob =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as AnyJob).name === 'string' &&
  typeof (value as AnyJob).definition?.run === 'function'

function importProblem(file: string, error: unknown): unknown {
  const { code, message = String(error) } = (error ?? {}) as { code?: string; message?: string }
  if (code === 'ERR_MODULE_NOT_FOUND' && message.includes(resolve(file))) {
    return fileProblem(file, Object.assign(new Error(message), { code: 'ENOENT' }))
  }
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION') {
    return new CommandError('file', `This Node cannot read ${file}.`, {
      exit: EXIT.invalid,
      hint: 'Node 22.18 and later read TypeScript; or compile it to JavaScript first',
    })
  }
  return new CommandError('file', `${file} cannot be loaded: ${message}`, { exit: EXIT.invalid })
}

/** Node itself knows what a program imports: it starts the program again when any of that changes. */
async function watchAndWork(cli: Cli): Promise<void> {
  const again = process.argv.slice(1).filter((arg) => arg !== '--dev')
  const child = spawn(process.execPath, ['--watch', '--watch-preserve-output', ...again], {
    stdio: 'inherit',
    env: cli.env as NodeJS.ProcessEnv,
  })
  const stop = () => void child.kill('SIGTERM')
  cli.signal.addEventListener('abort', stop, { once: true })
  await once(child, 'exit')
  cli.signal.throwIfAborted()
  cli.exit = EXIT.server
}

function concurrencyOf(text: string | undefined): number {
  if (text === undefined) return 10
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= CONCURRENCY_MAX) return count
  throw usageError(`--concurrency must be a whole number from 1 to ${CONCURRENCY_MAX}, not "${text}".`)
}

function registerOf(text: string = 'all'): Register {
  if ((REGISTER as readonly string[]).includes(text)) return text as Register
  throw usageError(`--register must be one of ${REGISTER.join(', ')}, not "${text}".`)
}
