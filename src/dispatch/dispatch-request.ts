// What a handler is sent: the payload as the body, and in the headers who it is, what went before, and the token
// that its calls back carry. Names as in Strait's contract, section 5.3, so that its handlers work unchanged.

import { signatureHeaders } from '#access/signatures/signature.ts'
import { straitSignatureHeaders } from '#access/signatures/strait-signature.ts'
import type { JobDefinition } from '#core/job.ts'
import type { ClaimedRun } from '#run-state/claim/claim-runs.sql.ts'

/** Node's HTTP servers refuse more than 16 KiB of headers in all; a larger checkpoint is fetched by its number. */
const CHECKPOINT_HEADER_BYTES_MAX = 8 * 1024
/** What Strait sends; its handlers are set up for it, and know no other way to a checkpoint. */
const STRAIT_CHECKPOINT_HEADER_BYTES_MAX = 64 * 1024
const ERROR_HEADER_LENGTH_MAX = 1024
const ENVIRONMENT_HEADER_BYTES_MAX = 4 * 1024

type Parts = {
  run: ClaimedRun
  definition: JobDefinition
  signingSecret: string
  runToken: string
  traceparent: string
  nowMs: number
}

export function dispatchRequest({ run, definition, signingSecret, runToken, traceparent, nowMs }: Parts): {
  headers: Record<string, string>
  body: string
} {
  // Frameworks refuse a bare `null` as JSON, so a run without a payload sends an empty object.
  const body = JSON.stringify(run.payload ?? {})
  const id = run.clientId ?? run.runId
  const strait = definition.signature === 'strait'
  return {
    body,
    headers: {
      ...definition.endpointHeaders,
      'content-type': 'application/json',
      'user-agent': 'Runyard/1',
      'x-run-id': id,
      'x-job-id': run.jobId,
      'x-attempt': String(run.attempt),
      'x-run-token': runToken,
      traceparent,
      ...presetHeaders(run),
      ...checkpointHeaders(run.checkpoint, strait ? STRAIT_CHECKPOINT_HEADER_BYTES_MAX : CHECKPOINT_HEADER_BYTES_MAX),
      ...(run.attempt > 1 &&
        run.previousError !== null && {
          'x-previous-error': headerText(run.previousError).slice(0, ERROR_HEADER_LENGTH_MAX),
        }),
      ...(strait
        ? straitSignatureHeaders({ secret: signingSecret, body, nowMs })
        : // One id per attempt: a receiver that drops repeats must still take the retry.
          signatureHeaders({ secret: signingSecret, id: `${run.runId}_${run.attempt}`, body, nowMs })),
    },
  }
}

function checkpointHeaders(checkpoint: ClaimedRun['checkpoint'], bytesMax: number): Record<string, string> {
  if (!checkpoint) return {}
  const state = headerText(JSON.stringify(checkpoint.state))
  return {
    'x-checkpoint-number': String(checkpoint.number),
    'x-checkpoint-at': new Date(checkpoint.created_at).toISOString(),
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
