// Calls a tool's endpoint: signed, with a timeout, and retried when that may help.

import { onceSignatureHeaders } from '#access/signatures/once-signature.ts'
import type { Ctx } from '#bell/ctx.ts'
import { printJson } from '#core/json/json.ts'
import { answerProblem, cutText, storableAnswer } from '#core/storable.ts'
import type { PostOutcome } from '#dispatch/post.ts'
import { postOf } from '#dispatch/post.ts'
import type { ToolRow } from './tools.sql.ts'

export type ToolRequest = {
  /** The same for every attempt: a tool that drops duplicates executes the call once. */
  callId: string
  agentId: string
  args: object
  runRef?: string | undefined
  signal?: AbortSignal | undefined
}

export type ToolOutcome = { ok: true; result: object } | { ok: false; error: string; aborted: boolean }

const RESULT_BYTES_MAX = 256 * 1024
const ERROR_LENGTH_MAX = 500
const BACK_OFF_MS = 200
const BACK_OFF_MAX_MS = 5_000

/** Total time limit of a call with all its attempts. */
export const longestCallMs = ({ timeoutMs, maxRetries }: ToolRow): number =>
  (maxRetries + 1) * (timeoutMs + BACK_OFF_MAX_MS)

export async function dispatchTool(ctx: Ctx, tool: ToolRow, request: ToolRequest): Promise<ToolOutcome> {
  for (let retry = 0; ; retry++) {
    const outcome = await tryOnce(ctx, tool, request)
    const ended = endingOf(outcome)
    if (ended.ok) return ended
    const aborted = request.signal?.aborted ?? false
    if (aborted || retry >= tool.maxRetries || !mayHelp(outcome)) return { ...ended, aborted }
    // Jitter over half of the delay: callers that failed together do not retry together.
    const delayMs = Math.min(BACK_OFF_MAX_MS, BACK_OFF_MS * 2 ** retry) * (0.5 + ctx.random() / 2)
    await new Promise((resolve) => setTimeout(resolve, delayMs))
  }
}

function tryOnce(
  ctx: Ctx,
  tool: ToolRow,
  { callId, agentId, args, runRef, signal }: ToolRequest,
): Promise<PostOutcome> {
  const body = printJson({
    tool: tool.name,
    args,
    agent_id: agentId,
    call_id: callId,
    ...(runRef !== undefined && { run_id: runRef }),
  })
  return postOf(ctx)({
    url: tool.url,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'Runyard/1',
      'idempotency-key': callId,
      ...onceSignatureHeaders({ secret: tool.secret, body, nowMs: ctx.nowMs() }),
    },
    body,
    timeoutMs: tool.timeoutMs,
    resultBytesMax: RESULT_BYTES_MAX,
    ...(signal && { signal }),
  })
}

function endingOf(outcome: PostOutcome): { ok: true; result: object } | { ok: false; error: string } {
  if (outcome.kind === 'failed') return { ok: false, error: sentence(outcome.reason, outcome.message) }
  const { status, bodyText, isJson, json } = outcome
  if (status < 200 || status > 299) return { ok: false, error: sentence(`it answered ${status}`, bodyText) }
  if (bodyText.trim() === '') return { ok: true, result: {} }
  if (!isJson) return { ok: false, error: sentence(`it answered ${status}, and no JSON`, bodyText) }
  const problem = answerProblem(bodyText, json)
  if (problem) return { ok: false, error: `its answer ${problem}` }
  const result = storableAnswer(bodyText, json)
  // Results are always objects, so anything else is wrapped.
  return { ok: true, result: result.isObject ? result : { value: result } }
}

const sentence = (what: string, bodyText: string): string =>
  cutText(bodyText === '' ? what : `${what}: ${bodyText}`, ERROR_LENGTH_MAX)

const PASSING = new Set(['dns', 'connect', 'timeout', 'reset'])

/** Whether a retry may succeed: what the tool refuses now it will refuse again. */
const mayHelp = (outcome: PostOutcome): boolean =>
  outcome.kind === 'failed' ? PASSING.has(outcome.reason) : outcome.status === 429 || outcome.status >= 500
