// What people type, as values: JSON inline, from a file or from stdin, ids from stdin, a key that is not shown.
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import type { Cli } from './cli.ts'
import { CommandError, EXIT, fileProblem, invalidInput, usageError } from './exit-codes.ts'

const INPUT_BYTES_MAX = 64 * 1024 * 1024

/** JSON text: as given, of the file after an @, or of stdin for -. Checked, and otherwise unchanged. */
export async function readJsonText(given: string, option: string): Promise<string> {
  const text = await readText(given)
  try {
    JSON.parse(text)
    return text.trim()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const hint = 'Give JSON, @FILE for a file, or - for stdin'
    throw invalidInput(`${option} is not valid JSON: ${reason}`, hint)
  }
}

async function readText(given: string): Promise<string> {
  if (given === '-') return readStdin()
  if (!given.startsWith('@')) return given
  return readFileText(given.slice(1))
}

export async function readFileText(path: string): Promise<string> {
  try {
    return path === '-' ? await readStdin() : await readFile(path, 'utf8')
  } catch (error) {
    throw fileProblem(path, error)
  }
}

export async function readStdin(): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write('Reading from the terminal; end with Ctrl-D.\n')
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > INPUT_BYTES_MAX) throw invalidInput(`stdin holds more than ${INPUT_BYTES_MAX} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const IDS_MAX = 10_000

/** Ids as arguments; a single - reads them from stdin, one to a line. */
export async function readIds(given: readonly string[]): Promise<string[]> {
  if (given.length !== 1 || given[0] !== '-') return [...new Set(given)]
  const ids = (await readStdin()).split(/\s+/).filter((id) => id !== '')
  if (ids.length > IDS_MAX) throw usageError(`At most ${IDS_MAX} ids may be given at once; use a filter instead.`)
  return [...new Set(ids)]
}

/** Asks a yes-or-no question; refuses to guess when nobody can answer. */
export async function confirm(cli: Cli, question: string): Promise<boolean> {
  if (!cli.mayAsk)
    throw new CommandError('not_confirmed', `${question} Nobody can answer here.`, {
      exit: EXIT.usage,
      hint: 'Add --yes to confirm, or --dry-run to see what would happen',
    })
  const answer = await askLine(cli, {
    question: `${question} [y/N] `,
    output: process.stderr,
    none: 'Nothing was done.',
  })
  return /^y(es)?$/i.test(answer.trim())
}

type Asking = {
  question: string
  output: Writable
  /** What to say when there is no answer: Ctrl-D. */
  none: string
}

async function askLine({ signal }: Cli, { question, output, none }: Asking): Promise<string> {
  const lines = createInterface({ input: process.stdin, output, terminal: true })
  // A terminal that reads single characters gives Ctrl-C to us, and sends no signal by itself.
  lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  const closed = new Promise<never>((_, reject) => {
    lines.once('close', () => reject(new CommandError('not_confirmed', none, { exit: EXIT.no })))
  })
  try {
    return await Promise.race([lines.question(question, { signal }), closed])
  } catch (error) {
    // The line of the question is left where it was.
    output.write('\n')
    signal.throwIfAborted()
    throw isAbort(error) ? new CommandError('not_confirmed', none, { exit: EXIT.no }) : error
  } finally {
    lines.close()
  }
}

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError'

/** A secret, typed without being shown; or the first line of stdin when that is not a terminal. */
export async function readSecret(cli: Cli, question: string): Promise<string> {
  if (!process.stdin.isTTY) return (await readStdin()).split('\n')[0]!.trim()
  if (!cli.mayAsk) throw usageError('The key must come from stdin when questions are off.')
  process.stderr.write(question)
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  try {
    return (await askLine(cli, { question: '', output: silent, none: 'No key was given.' })).trim()
  } finally {
    process.stderr.write('\n')
  }
}
