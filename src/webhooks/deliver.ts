// One attempt to deliver one message: signed, guarded, and bounded in time and in what is read of the answer.
import { signatureHeaders } from '#access/signatures/signature.ts'
import type { Ctx } from '#bell/ctx.ts'
import { retryAfterMs } from '#core/runs/retry-after.ts'
import { cutText } from '#core/storable.ts'
import { type PostOutcome, postOf } from '#dispatch/post.ts'
import { newId } from '#postgres/id.ts'
import type { NewDelivery } from './carriers.sql.ts'
import { CLOUD_EVENT_TYPE } from './cloud-event.ts'
import type { WebhookRow } from './webhooks.sql.ts'

const TIMEOUT_MS = 15_000
const ANSWER_BYTES_MAX = 64 * 1024
/** What is kept of each for the list of deliveries. */
const REQUEST_TEXT_MAX = 16 * 1024
const RESPONSE_TEXT_MAX = 4 * 1024
const ERROR_TEXT_MAX = 500

export type Message = {
  /** The same for every attempt, by which receivers drop duplicates. */
  id: string
  type: string
  event?: { id: string; position: number }
  body: string
}

export type Attempt = {
  /** `aborted`: by us; it says nothing about the receiver. */
  outcome: 'delivered' | 'failed' | 'aborted'
  gone: boolean
  retryAfterMs: number | undefined
  delivery: NewDelivery
}

export async function deliver(
  ctx: Ctx,
  webhook: Pick<WebhookRow, 'url' | 'signingSecret' | 'oldSecret' | 'oldSecretUntil'>,
  { message, attempt, signal }: { message: Message; attempt: number; signal?: AbortSignal },
): Promise<Attempt> {
  const { id, body } = message
  const sentAtMs = ctx.nowMs()
  const beganMs = performance.now()
  const outcome = await postOf(ctx)({
    url: webhook.url,
    headers: {
      'content-type': CLOUD_EVENT_TYPE,
      'user-agent': 'Runyard/1',
      ...signatureHeaders({
        secret: webhook.signingSecret,
        // The row was read when this node took the webhook; the grace may have ended since.
        oldSecret: (webhook.oldSecretUntil?.getTime() ?? 0) > sentAtMs ? webhook.oldSecret : null,
        id,
        body,
        nowMs: sentAtMs,
      }),
    },
    body,
    timeoutMs: TIMEOUT_MS,
    resultBytesMax: ANSWER_BYTES_MAX,
    ...(signal && { signal }),
  })
  const answer = answerOf(outcome)
  return {
    outcome: answer.outcome,
    gone: answer.status === 410,
    retryAfterMs: outcome.kind === 'response' ? retryAfterMs(outcome.headers['retry-after'], sentAtMs) : undefined,
    delivery: {
      id: newId(),
      eventId: message.event?.id ?? null,
      eventPosition: message.event?.position ?? null,
      eventType: message.type,
      attempt,
      outcome: answer.outcome === 'delivered' ? 'delivered' : 'failed',
      sentAtMs,
      durationMs: Math.round(performance.now() - beganMs),
      requestBody: cutText(body, REQUEST_TEXT_MAX),
      status: answer.status,
      responseBody: answer.body,
      error: answer.error,
    },
  }
}

type Answer = { outcome: Attempt['outcome']; status: number | null; body: string | null; error: string | null }

function answerOf(outcome: PostOutcome): Answer {
  if (outcome.kind === 'failed') {
    const { reason, message } = outcome
    const error = cutText(`${reason}: ${message}`, ERROR_TEXT_MAX)
    // Only what was accepted is judged by its size: sent again, it would be accepted again.
    if (reason === 'body_too_large') return { outcome: 'delivered', status: null, body: null, error }
    return { outcome: reason === 'aborted' ? 'aborted' : 'failed', status: null, body: null, error }
  }
  const { status, bodyText } = outcome
  const body = cutText(bodyText, RESPONSE_TEXT_MAX)
  if (status >= 200 && status < 300) return { outcome: 'delivered', status, body, error: null }
  const redirected = status >= 300 && status < 400 ? '; redirects are not followed' : ''
  return { outcome: 'failed', status, body, error: `the receiver answered ${status}${redirected}` }
}
