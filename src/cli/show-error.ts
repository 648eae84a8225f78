// An error as people read it: what happened, in which field, under which request, and what to try.
import { RunyardError } from '#sdk/error.ts'
import { CommandError, exitCodeOf } from './exit-codes.ts'
import { oneLine } from './safe-text.ts'
import type { Terminal } from './terminal.ts'

type Told = {
  code: string
  message: string
  details: Record<string, unknown>
  requestId: string | undefined
  hint: string | undefined
}

export function showError(terminal: Terminal, error: unknown): void {
  const told = toldOf(error)
  if (terminal.json) terminal.warn(documentOf(told, exitCodeOf(error)))
  else showToPerson(terminal, told)
}

function showToPerson(terminal: Terminal, told: Told): void {
  const head = terminal.styleWords(['red', 'bold'], 'Error:')
  terminal.warn(`${head} ${oneLine(told.message)}`)
  const fields = fieldsOf(told.details)
  if (fields.length > 1) for (const { field, message } of fields) terminal.warn(`  ${oneLine(`${field} ${message}`)}`)
  const more = [
    ['code', told.code],
    ['request', told.requestId],
    ['try', told.hint],
  ] as const
  for (const [name, value] of more)
    if (value !== undefined) terminal.warn(`${terminal.styleWords('dim', name.padEnd(7))} ${oneLine(value)}`)
}

const documentOf = ({ code, message, details, requestId, hint }: Told, exitCode: number): string =>
  JSON.stringify({
    error: { code, message, details, ...(hint !== undefined && { hint }) },
    ...(requestId !== undefined && { request_id: requestId }),
    exit_code: exitCode,
  })

function toldOf(error: unknown): Told {
  if (error instanceof CommandError)
    return { code: error.code, message: error.message, details: {}, requestId: undefined, hint: error.hint }
  if (error instanceof RunyardError) {
    const { code, message, details, requestId } = error
    const sentence = code === 'unreachable' ? `The server cannot be reached: ${message}` : message
    return { code, message: sentence, details, requestId, hint: hintFor(error) }
  }
  const message = error instanceof Error ? error.message : String(error)
  const hint = 'This is a bug of the command line; please report it.'
  return { code: 'internal', message, details: {}, requestId: undefined, hint }
}

type Field = { field: string; message: string }

function fieldsOf(details: Record<string, unknown>): Field[] {
  const { fields } = details
  return Array.isArray(fields) ? (fields as Field[]) : []
}

const HINTS: ReadonlyMap<string, string> = new Map([
  ['unauthorized', 'Log in again with: runyard login'],
  ['forbidden', 'Show what the key may do with: runyard whoami'],
  ['run_not_found', 'List runs with: runyard runs'],
  ['job_not_found', 'List jobs with: runyard jobs'],
  ['agent_not_found', 'List agents with: runyard agents'],
  ['input_not_found', 'List open questions with: runyard inbox'],
  ['key_not_found', 'List keys with: runyard keys'],
  ['route_not_found', 'The server may be older than this command line; compare them with: runyard doctor'],
  ['job_paused', 'Resume the job with: runyard job resume JOB'],
  ['idempotency_mismatch', 'Use another --idempotency-key, or send the same payload as before'],
  ['rate_limited', 'Wait a moment and try again'],
  ['overloaded', 'Wait a moment and try again'],
  ['unreachable', 'Check that the server runs (runyard start) and its address (runyard whoami, --url)'],
  ['timeout', 'Try again, or allow more time with --timeout SECONDS'],
])

const hintFor = ({ code }: RunyardError): string | undefined => HINTS.get(code)
