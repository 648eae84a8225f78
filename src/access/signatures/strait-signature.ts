// The signature of Strait's dispatches, for handlers that were written for it: an HMAC over the time and the body.
import { createHmac } from 'node:crypto'

/** Nothing is signed without a secret: Strait's jobs need not have one. */
export function straitSignatureHeaders({ secret, body, nowMs }: { secret: string; body: string; nowMs: number }) {
  if (secret === '') return {}
  const timestamp = String(Math.floor(nowMs / 1_000))
  const digest = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')
  return { 'x-strait-timestamp': timestamp, 'x-strait-signature': `v1=${digest}` }
}
