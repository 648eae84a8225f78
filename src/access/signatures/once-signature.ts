// The signature of OnceOnly's tool calls, for tools that were written for it: an HMAC over the body as it is sent.
import { createHmac } from 'node:crypto'

/** The time goes beside it: receivers refuse what is older than five minutes. Without a secret nothing is signed. */
export const onceSignatureHeaders = (it: { secret: string | null; body: string; nowMs: number }) => ({
  'x-onceonly-timestamp': String(Math.floor(it.nowMs / 1_000)),
  ...(it.secret !== null && {
    'x-onceonly-signature': createHmac('sha256', it.secret).update(it.body).digest('hex'),
    'x-onceonly-signature-alg': 'hmac_sha256',
  }),
})
