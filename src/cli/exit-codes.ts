// How a command ends: the exit code tells the class of the outcome, so that scripts need not read sentences.
import { RunyardError } from '#sdk/error.ts'

export const EXIT = {
  ok: 0,
  /** The command worked, and its answer is "no": a run failed, a seal is broken, a node is not ready. */
  no: 1,
  usage: 2,
  auth: 3,
  notFound: 4,
  conflict: 5,
  invalid: 6,
  busy: 7,
  server: 8,
  interrupted: 130,
  terminated: 143,
} as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

export const EXIT_WORDS = `Exit codes:
  0  success             4  not found        7  rate limit, or overloaded
  1  the answer is no    5  conflict         8  server error, or unreachable
  2  wrong usage         6  invalid input    130  interrupted
  3  access denied`

/** A mistake that the command line finds by itself. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exit: ExitCode
  readonly code: string
  /** What to try next. */
  readonly hint: string | undefined
  constructor(code: string, message: string, { exit = EXIT.usage, hint }: { exit?: ExitCode; hint?: string } = {}) {
    super(message)
    this.code = code
    this.exit = exit
    this.hint = hint
  }
}

export const usageError = (message: string, hint?: string): CommandError =>
  new CommandError('usage', message, hint === undefined ? {} : { hint })

export const invalidInput = (message: string, hint?: string): CommandError =>
  new CommandError('invalid', message, { exit: EXIT.invalid, ...(hint !== undefined && { hint }) })

const BY_STATUS: ReadonlyMap<number, ExitCode> = new Map([
  [400, EXIT.invalid],
  [401, EXIT.auth],
  [402, EXIT.busy],
  [403, EXIT.auth],
  [404, EXIT.notFound],
  [409, EXIT.conflict],
  [410, EXIT.notFound],
  [413, EXIT.invalid],
  [415, EXIT.invalid],
  [422, EXIT.invalid],
  [429, EXIT.busy],
])

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandError) return error.exit
  if (!(error instanceof RunyardError)) return EXIT.server
  if (error.code === 'overloaded') return EXIT.busy
  return BY_STATUS.get(error.status) ?? EXIT.server
}

const FILE_HINTS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'does not exist'],
  ['EACCES', 'cannot be accessed (permission denied)'],
  ['EISDIR', 'is a folder'],
  ['ENOTDIR', 'is inside something that is not a folder'],
  ['ENOSPC', 'does not fit: the disk is full'],
  ['EROFS', 'is on a read-only disk'],
  ['EEXIST', 'already exists'],
])

/** A problem with a local file, as a sentence that names it; everything else stays as it is. */
export function fileProblem(path: string, error: unknown): unknown {
  const { code = '' } = (error ?? {}) as { code?: string }
  const words = FILE_HINTS.get(code)
  if (words === undefined) return error
  return new CommandError('file', `${path} ${words}.`, { exit: EXIT.invalid })
}
