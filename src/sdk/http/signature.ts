// Checks the Standard Webhooks signature of a dispatch with what every JavaScript runtime has.

type Signed = { headers: Headers; body: string; secret: string; nowMs: number }

/** How old or how far ahead a signature may be: a recorded request is of no use later. */
const TOLERANCE_SECS = 5 * 60
const PREFIX = 'whsec_'

/** Why the signature is not good; undefined when it is. */
export async function signatureProblem({ headers, body, secret, nowMs }: Signed): Promise<string | undefined> {
  const id = headers.get('webhook-id')
  const timestamp = headers.get('webhook-timestamp')
  const signatures = headers.get('webhook-signature')
  if (!id || !timestamp || !signatures) return 'The request is not signed'
  if (!/^\d{1,12}$/.test(timestamp)) return 'webhook-timestamp is not a time'
  if (Math.abs(nowMs / 1000 - Number(timestamp)) > TOLERANCE_SECS) return 'webhook-timestamp is more than 5 minutes off'
  const key = await keyOf(secret)
  const signed = new TextEncoder().encode(`${id}.${timestamp}.${body}`)
  for (const signature of signatures.split(' ').slice(0, SIGNATURES_MAX)) {
    const [version, encoded] = signature.split(',')
    const bytes = version === 'v1' && encoded ? bytesOf(encoded) : undefined
    // In constant time, as the standard for verify says.
    if (bytes && (await crypto.subtle.verify('HMAC', key, bytes, signed))) return undefined
  }
  return 'The signature does not match'
}

/** While a secret is rotated there are two. */
const SIGNATURES_MAX = 10

async function keyOf(secret: string) {
  const bytes = bytesOf(secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret)
  if (!bytes || bytes.length === 0)
    throw new TypeError('The signing secret must be base64, with or without the prefix whsec_')
  return crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  } catch {
    return undefined
  }
}
