// A call of a third party at a hook's address: its signature is checked, and it becomes an event or a run, once.

import { signatureProblem } from '#access/signatures/sender-signatures.ts'
import type { Ctx } from '#bell/ctx.ts'
import { type Tx, transact } from '#bell/transact.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { Json } from '#core/json/json.ts'
import { own } from '#core/own.ts'
import type { Sender } from '#core/senders.ts'
import { answerProblem, storableAnswer, storableText } from '#core/storable.ts'
import { appendIn } from '#log/append-event.ts'
import { newId } from '#postgres/id.ts'
import { triggerRun } from '#runs/trigger/trigger-runs.ts'
import { sendIn } from '#runs/waits/send-event.ts'
import { eventKeyOf } from './event-key.ts'
import { type HookRow, insertDelivery, isDelivered } from './hooks.sql.ts'

/** A call as it came. */
export type HookCall = {
  /** By their names in lower case. */
  headers: Readonly<Record<string, string>>
  query: string
  body: Buffer
}

export type Received = { status: 'accepted' | 'duplicate' } | { challenge: string }

const KEEP_SECS = 24 * 3600
const DELIVERY_ID_LENGTH_MAX = 200

export async function receiveHook(ctx: Ctx, hook: HookRow, call: HookCall): Promise<Received> {
  const { sender, signingSecret } = hook
  const problem =
    signingSecret === null ? undefined : signatureProblem(sender, signingSecret, { ...call, nowMs: ctx.nowMs() })
  if (problem) throw refuse('unauthorized', { reason: problem })
  const json = jsonOf(call)
  const challenge = sender === 'slack' ? challengeOf(json) : undefined
  if (challenge !== undefined) return { challenge }
  const actor: Actor = { type: 'hook', id: hook.id }
  const deliveryId = deliveryIdOf(sender, call, json)
  const payload = hook.pass === 'json' && json ? storedJson(json) : requestOf(call)
  return hook.jobId === null
    ? sendIt(ctx, hook, { actor, deliveryId, payload, eventKey: eventKeyOf(hook.eventKey!, json) })
    : triggerIt(ctx, hook, { actor, deliveryId, payload })
}

type Delivery = { actor: Actor; deliveryId: string | undefined; payload: unknown }

async function triggerIt(ctx: Ctx, hook: HookRow, { actor, deliveryId, payload }: Delivery): Promise<Received> {
  const { projectId } = hook
  if (deliveryId !== undefined && (await isDelivered(ctx.sql, hook.id, deliveryId))) return { status: 'duplicate' }
  // The key is for deliveries that come at the same time: it is free again as soon as the run fails.
  const key = deliveryId === undefined ? {} : { idempotencyKey: `hook:${hook.id}:${deliveryId}` }
  // What a repeat of a delivery says is not compared: it is dropped in any case.
  const asked = { payload, ...key, comparedBy: null }
  const { replayed } = await triggerRun(ctx, hook.jobId!, asked, { projectId, actor, triggeredBy: 'event' })
  // Where the hook is deleted by now, nobody can repeat the delivery: its run stands.
  if (deliveryId !== undefined) await insertDelivery(ctx.sql, hook.id, deliveryId)
  return { status: replayed ? 'duplicate' : 'accepted' }
}

async function sendIt(
  ctx: Ctx,
  { id: hookId, projectId }: HookRow,
  { actor, deliveryId, payload, eventKey }: Delivery & { eventKey: string },
): Promise<Received> {
  return transact<Received>(ctx, async (tx) => {
    const delivery = deliveryId === undefined ? 'kept' : await insertDelivery(tx, hookId, deliveryId)
    if (delivery === 'gone') throw refuse('hook_not_found', {})
    if (delivery === 'duplicate') return { status: 'duplicate' }
    const causationId = await tellReceived(tx, { projectId, hookId, actor, eventKey })
    await sendIn(tx, { projectId, actor, causationId, eventKey, payload, to: 'first', keepSecs: KEEP_SECS })
    return { status: 'accepted' }
  })
}

type Told = { projectId: string; hookId: string; actor: Actor; eventKey: string }

async function tellReceived(tx: Tx, { projectId, hookId, actor, eventKey }: Told): Promise<string> {
  const id = newId()
  const data = { event_key: eventKey }
  await appendIn(tx, [{ id, projectId, type: 'hook.received', actor, resourceType: 'hook', resourceId: hookId, data }])
  return id
}

const isJson = (contentType: string | undefined): boolean =>
  contentType !== undefined && /^application\/(?:[\w.-]+\+)?json\b/i.test(contentType)

/** Undefined when it is none. */
function jsonOf({ headers, body }: HookCall): Json | undefined {
  if (!isJson(own(headers, 'content-type'))) return undefined
  const text = body.toString('utf8')
  try {
    return Json.written(text, JSON.parse(text))
  } catch {
    return undefined
  }
}

/** As it was written, where that can be kept. */
function storedJson({ text, value }: Json): Json {
  const problem = answerProblem(text, value)
  if (problem) throw refuseField('body', problem)
  return storableAnswer(text, value)
}

/** Slack asks an address once whether it is the right one. */
function challengeOf(json: Json | undefined): string | undefined {
  const { type, challenge } = json?.members() ?? {}
  return type === 'url_verification' && typeof challenge === 'string' ? challenge : undefined
}

const DELIVERY_HEADERS: Partial<Record<Sender, string>> = {
  none: 'webhook-id',
  standard_webhooks: 'webhook-id',
  github: 'x-github-delivery',
}

/** The name by which its sender would repeat it; undefined when it gives none. */
function deliveryIdOf(sender: Sender, { headers }: HookCall, json: Json | undefined): string | undefined {
  const header = own(DELIVERY_HEADERS, sender)
  const member = sender === 'stripe' ? 'id' : sender === 'slack' ? 'event_id' : undefined
  const found = header ? own(headers, header) : member && json?.members()[member]
  return typeof found === 'string' && found !== '' && found.length <= DELIVERY_ID_LENGTH_MAX
    ? storableText(found)
    : undefined
}

/** What says who calls or what with; the rest tells of the way that the call took. */
const SHOWN_HEADERS = /^(content-type|user-agent|webhook-.+|x-github-.+|x-gitlab-.+|x-slack-.+|stripe-.+|x-event-.+)$/
const HIDDEN_HEADERS = /signature|token|secret/

function requestOf({ headers, query, body }: HookCall) {
  const shown = Object.entries(headers).filter(([name]) => SHOWN_HEADERS.test(name) && !HIDDEN_HEADERS.test(name))
  const text = body.toString('utf8')
  // Text as it came; what is not text, in Base64.
  const isText = Buffer.from(text, 'utf8').equals(body) && storableText(text) === text
  return {
    headers: Object.fromEntries(shown.map(([name, value]) => [name, storableText(value)])),
    query: storableText(query),
    encoding: isText ? 'utf8' : 'base64',
    body: isText ? text : body.toString('base64'),
  }
}
