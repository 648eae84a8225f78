// What a handler is sent: the payload as the body, and in the headers who it is, what went before, and the token
// that its calls back carry. Names as in Strait's contract, section 5.3, so that its handlers work unchanged.

import { signatureHeaders } from '#access/signatures/signature.ts'
import { straitSignatureHeaders } from '#access/signatures/strait-signature.ts'
import type { JobDefinition } from '#core/job.ts'
import { printJson } from '#core/json/json.ts'
import type { ClaimedRun } from '#run-state/claim/claim-runs.sql.ts'

/** Node's HTTP servers refuse more than 16 KiB of headers in all; a larger checkpoint is fetched by its number. */
const CHECKPOINT_HEADER_BYTES_MAX = 8 * 1024
/** What Strait sends; its handlers are set up for it, and know no other way to a checkpoint. */
const STRAIT_CHECKPOINT_HEADER_BYTES_MAX = 64 * 1024
const ERROR_HEADER_LENGTH_MAX = 1024
const ENVIRONMENT_HEADER_BYTES_MAX = 4 * 1024

/** Ours whether they are sent this time or not: a handler must not take a job's own value for what we say. */
const OURS = new Set(
  'content-type user-agent x-run-id x-job-id x-attempt x-run-token traceparent x-preset x-environment x-checkpoint-number x-checkpoint-at x-last-checkpoint x-previous-error'.split(
    ' ',
  ),
)

type Parts = {
  run: ClaimedRun
  /** Of this call alone: receivers drop repeats by it, and a retry or a redrive is no repeat. */
  dispatchId: string
  definition: JobDefinition
  signingSecret: string
  runToken: string
  traceparent: string
  nowMs: number
}

export function dispatchRequest(parts: Parts): { headers: Record<string, string>; body: string } {
  const { run, dispatchId, definition, signingSecret, runToken, traceparent, nowMs } = parts
  // Frameworks refuse a bare `null` as JSON, so a run without a payload sends an empty object.
  const body = run.payload?.text ?? '{}'
  const strait = definition.signature === 'strait'
  const ours: Record<string, string> = {
    'content-type': 'application/json',
    'user-agent': 'Runyard/1',
    'x-run-id': run.clientId ?? run.runId,
    'x-job-id': run.jobId,
    'x-attempt': String(run.attempt),
    'x-run-token': runToken,
    traceparent,
    ...presetHeaders(run),
    ...checkpointHeaders(run.checkpoint, strait ? STRAIT_CHECKPOINT_HEADER_BYTES_MAX : CHECKPOINT_HEADER_BYTES_MAX),
    ...(run.attempt > 1 &&
      run.previousError !== null && {
        'x-previous-error': headerTextWithin(run.previousError, ERROR_HEADER_LENGTH_MAX),
      }),
    ...(strait
      ? straitSignatureHeaders({ secret: signingSecret, body, nowMs })
      : signatureHeaders({ secret: signingSecret, id: dispatchId, body, nowMs })),
  }
  return { body, headers: { ...withoutOurs(definition.endpointHeaders, ours), ...ours } }
}

/** Each name once, in whatever case it is written: the last one counts, as it does in an object. */
function withoutOurs(theirs: Record<string, string>, ours: Record<string, string>): Record<string, string> {
  const byName = new Map<string, [name: string, value: string]>()
  for (const [name, value] of Object.entries(theirs)) {
    const plain = name.toLowerCase()
    if (!OURS.has(plain) && !Object.hasOwn(ours, plain)) byName.set(plain, [name, value])
  }
  return Object.fromEntries(byName.values())
}

function checkpointHeaders(checkpoint: ClaimedRun['checkpoint'], bytesMax: number): Record<string, string> {
  if (!checkpoint) return {}
  const state = headerText(printJson(checkpoint.state))
  return {
    'x-checkpoint-number': String(checkpoint.number),
    'x-checkpoint-at': checkpoint.createdAt.toISOString(),
    ...(state.length <= bytesMax && { 'x-last-checkpoint': state }),
  }
}

/** A handler that is told of its preset may choose the machine behind it; values too large for a header are read from the run. */
function presetHeaders({ preset, environment }: ClaimedRun): Record<string, string> {
  if (preset === null) return {}
  const values = headerText(JSON.stringify(environment ?? {}))
  return { 'x-preset': preset, ...(values.length <= ENVIRONMENT_HEADER_BYTES_MAX && { 'x-environment': values }) }
}

/** Headers carry printable ASCII: everything else is written as JSON escapes, which a JSON parser reads back. */
const headerText = (text: string): string =>
  text.replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** As much of the text as a header of this length holds. Cut between characters: half an escape cannot be read back. */
function headerTextWithin(text: string, lengthMax: number): string {
  let fitting = ''
  for (const character of text) {
    const written = headerText(character)
    if (fitting.length + written.length > lengthMax) break
    fitting += written
  }
  return fitting
}
