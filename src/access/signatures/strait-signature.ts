// The signature of Strait's dispatches, for handlers written for Strait: an HMAC over the time and the body.
import { createHmac } from 'node:crypto'

/** Without a secret nothing is signed: Strait's jobs need not have one. */
export function straitSignatureHeaders({ secret, body, nowMs }: { secret: string; body: string; nowMs: number }) {
  if (secret === '') return {}
  const timestamp = String(Math.floor(nowMs / 1_000))
  const digest = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')
  return { 'x-strait-timestamp': timestamp, 'x-strait-signature': `v1=${digest}` }
}
