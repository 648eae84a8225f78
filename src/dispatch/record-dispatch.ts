// For a run in debug mode: what this dispatch sent and what came back, without its secrets.

import { maskHeaders, maskUrl, maskValues, secretsOf, withoutSecrets } from '#access/mask.ts'
import type { Ctx } from '#bell/ctx.ts'
import { storableJson, storableText } from '#core/storable.ts'
import type { ClaimedRun } from '#run-state/claim/claim-runs.sql.ts'
import { insertDispatch, type NewDispatch } from './dispatches.sql.ts'
import type { CallOutcome } from './http-call.ts'

export const DISPATCHES_MAX = 100
export const HEADER_BYTES_MAX = 32 * 1024

export type Dispatched = {
  run: ClaimedRun
  owner: string
  url: string
  headers: Record<string, string>
  body: string
  outcome: CallOutcome
  trace: Record<string, number>
}

/** Never fails: that the record is missing is no reason to lose what the attempt did. */
export async function recordDispatch(ctx: Pick<Ctx, 'sql' | 'log'>, it: Dispatched): Promise<void> {
  try {
    await insertDispatch(ctx.sql, dispatchOf(it), DISPATCHES_MAX)
  } catch (error) {
    ctx.log.warn({ err: error, runId: it.run.runId, attempt: it.run.attempt }, 'a dispatch could not be recorded')
  }
}

export function dispatchOf({ run, owner, url, headers, body, outcome, trace }: Dispatched): NewDispatch {
  const secrets = secretsOf(headers)
  const clean = (text: string) => withoutSecrets(storableText(text), secrets)
  const shown = (all: Record<string, string>) => {
    const masked = storableJson(maskHeaders(all)) as Record<string, string>
    return boundHeaders(Object.fromEntries(Object.entries(masked).map(([name, value]) => [name, clean(value)])))
  }
  const { totalMs } = outcome.timings
  const answered = outcome.kind === 'response' ? outcome : undefined
  const fault = outcome.kind === 'failed' ? outcome : undefined
  const ofRun = { runId: run.runId, attempt: run.attempt, owner, agoMs: totalMs }
  return {
    ...ofRun,
    url: clean(maskUrl(url)),
    requestHeaders: shown(withMaskedEnvironment(headers, run)),
    requestBytes: Buffer.byteLength(body),
    status: answered?.status ?? null,
    responseHeaders: answered ? shown(answered.headers) : null,
    responseBytes: answered?.bodyBytes ?? null,
    error: fault ? clean(fault.message) : null,
    errorCode: fault?.reason ?? null,
    trace: {
      queue_wait_ms: Math.round(run.queueWaitMs),
      ...trace,
      total_ms: Math.round(run.queueWaitMs + (trace.dequeue_ms ?? 0) + totalMs),
    },
  }
}

/** The values of a preset are one header, which has no name of a secret. */
const withMaskedEnvironment = (headers: Record<string, string>, { environment }: ClaimedRun): Record<string, string> =>
  'x-environment' in headers ? { ...headers, 'x-environment': JSON.stringify(maskValues(environment ?? {})) } : headers

const CUT = '… (cut)'

/** The shortest get their place first: one large header must not hide the others. */
function boundHeaders(headers: Record<string, string>): Record<string, string> {
  let left = HEADER_BYTES_MAX
  const kept = new Map<string, string>()
  const shortestFirst = Object.entries(headers).sort((a, b) => bytesOf(a) - bytesOf(b))
  for (const [name, value] of shortestFirst) {
    const bytes = bytesOf([name, value])
    if (bytes <= left) kept.set(name, value)
    else if (left >= name.length + CUT.length * 2)
      kept.set(name, `${Buffer.from(value).subarray(0, left - name.length - CUT.length * 2)}${CUT}`)
    left = Math.max(0, left - bytes)
  }
  return Object.fromEntries(Object.keys(headers).flatMap((name) => (kept.has(name) ? [[name, kept.get(name)!]] : [])))
}

const bytesOf = ([name, value]: [string, string]): number => name.length + Buffer.byteLength(value)
