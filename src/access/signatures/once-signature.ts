// The signature of OnceOnly's tool calls, for tools written for OnceOnly: an HMAC over the body as sent.
import { createHmac } from 'node:crypto'

/** The timestamp is sent too: receivers refuse calls older than five minutes. Without a secret nothing is signed. */
export const onceSignatureHeaders = (it: { secret: string | null; body: string; nowMs: number }) => ({
  'x-onceonly-timestamp': String(Math.floor(it.nowMs / 1_000)),
  ...(it.secret !== null && {
    'x-onceonly-signature': createHmac('sha256', it.secret).update(it.body).digest('hex'),
    'x-onceonly-signature-alg': 'hmac_sha256',
  }),
})
