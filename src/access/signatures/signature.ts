// Standard Webhooks signatures: how a handler knows that a call comes from this Runyard and is not a replay.

import { randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'

const SECRET_BYTES = 32

export type SignatureHeaders = {
  'webhook-id': string
  'webhook-timestamp': string
  'webhook-signature': string
}

/**
 * The headers that sign `body`. Receivers drop duplicates by `id`, so two messages must never share one. It must not
 * contain a full stop, which separates the signed parts.
 */
export function signatureHeaders(message: {
  secret: string
  /** Signs too, for receivers that have not been given the new one yet. */
  oldSecret?: string | null
  id: string
  body: string | Uint8Array
  nowMs: number
}): SignatureHeaders {
  if (message.id.includes('.')) throw new Error(`a webhook id may not hold a full stop: ${message.id}`)
  const text = textOf(message.body)
  const signatures = [message.secret, ...(message.oldSecret ? [message.oldSecret] : [])].map((secret) =>
    new Webhook(secret).sign(message.id, new Date(message.nowMs), text),
  )
  return {
    'webhook-id': message.id,
    'webhook-timestamp': String(Math.floor(message.nowMs / 1_000)),
    'webhook-signature': signatures.join(' '),
  }
}

export const newSigningSecret = (): string => `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`

// The library signs text. Bytes that are not UTF-8 would be signed as something other than what is sent, and
// no receiver could verify them, so they are refused.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const textOf = (body: string | Uint8Array) => (typeof body === 'string' ? body : decoder.decode(body))
