// Signatures of calls from outside: who sends, and that it is not a replay. Each sender has its own way of signing.

import { createHmac, timingSafeEqual } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { own } from '#core/own.ts'
import type { Sender } from '#core/senders.ts'

export type SignedCall = { headers: Readonly<Record<string, string>>; body: Buffer; nowMs: number }

/** How old a signed call may be; GitHub signs no time. */
const AGE_SECS_MAX = 300

type Check = (secret: string, call: SignedCall) => string | undefined

/** What is wrong with the signature of a call; undefined when it is right. */
export const signatureProblem = (sender: Sender, secret: string, call: SignedCall): string | undefined =>
  CHECKS[sender](secret, call)

const CHECKS: Record<Sender, Check> = {
  none: () => undefined,

  standard_webhooks(secret, { headers, body, nowMs }) {
    const [id, time, signature] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
      own(headers, name),
    )
    if (!id || !time || !signature)
      return 'The headers webhook-id, webhook-timestamp and webhook-signature are required.'
    const problem = timeProblem(time, nowMs)
    if (problem) return problem
    const text = textOf(body)
    if (text === undefined) return 'The body is not UTF-8.'
    const key = standardKey(secret)
    if (!key) return 'The signing secret of this hook is not Base64.'
    const wanted = key.sign(id, new Date(Number(time) * 1000), text)
    return anyEqual(signature.split(' '), wanted)
  },

  github(secret, { headers, body }) {
    const signature = own(headers, 'x-hub-signature-256')
    if (!signature) return 'The header X-Hub-Signature-256 is required.'
    return anyEqual([signature], `sha256=${hmac(secret, body)}`)
  },

  stripe(secret, { headers, body, nowMs }) {
    const parts = own(headers, 'stripe-signature')
      ?.split(',')
      .map((part) => part.trim().split('=', 2) as [string, string?])
    const time = parts?.find(([name]) => name === 't')?.[1]
    const signatures = parts?.flatMap(([name, value]) => (name === 'v1' && value ? value : [])) ?? []
    if (!time || signatures.length === 0) return 'The header Stripe-Signature must have t and v1.'
    return timeProblem(time, nowMs) ?? anyEqual(signatures, hmac(secret, `${time}.`, body))
  },

  slack(secret, { headers, body, nowMs }) {
    const [time, signature] = [own(headers, 'x-slack-request-timestamp'), own(headers, 'x-slack-signature')]
    if (!time || !signature) return 'The headers X-Slack-Request-Timestamp and X-Slack-Signature are required.'
    return timeProblem(time, nowMs) ?? anyEqual([signature], `v0=${hmac(secret, `v0:${time}:`, body)}`)
  },
}

/** Why a sender cannot sign with this secret; undefined when it can. */
export const secretProblem = (sender: Sender, secret: string): string | undefined =>
  sender === 'standard_webhooks' && !standardKey(secret) ? 'must be Base64, with or without whsec_' : undefined

/** Undefined when the secret is not Base64, or holds no bytes. */
function standardKey(secret: string): Webhook | undefined {
  try {
    return new Webhook(secret)
  } catch {
    return undefined
  }
}

function hmac(secret: string, ...parts: (string | Buffer)[]): string {
  const made = createHmac('sha256', secret)
  for (const part of parts) made.update(part)
  return made.digest('hex')
}

function timeProblem(secs: string, nowMs: number): string | undefined {
  const ageSecs = nowMs / 1000 - Number(secs)
  if (!/^\d{1,12}$/.test(secs)) return 'The time of the signature is not a number of seconds.'
  return Math.abs(ageSecs) > AGE_SECS_MAX
    ? `The signature is more than ${AGE_SECS_MAX} s old, or dated in the future.`
    : undefined
}

/** Senders send several while they change their secret. Compared in constant time. */
function anyEqual(given: readonly string[], wanted: string): string | undefined {
  const bytes = Buffer.from(wanted)
  const isOne = given.some((one) => {
    const other = Buffer.from(one)
    return other.length === bytes.length && timingSafeEqual(other, bytes)
  })
  return isOne ? undefined : 'The signature does not match.'
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOf(body: Buffer): string | undefined {
  try {
    return decoder.decode(body)
  } catch {
    return undefined
  }
}
