// Hooks are made, given another address, and deleted. Their address holds a secret, which is shown once.

import { createHash, randomBytes } from 'node:crypto'
import { shownPrefix } from '#access/api-keys.ts'
import { checkAddressGift, findGiver } from '#access/giver.ts'
import { secretProblem } from '#access/signatures/sender-signatures.ts'
import type { Ctx } from '#bell/ctx.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import type { Sender } from '#core/senders.ts'
import { requireJob } from '#jobs/require-job.ts'
import type { NewEvent } from '#log/new-event.sql.ts'
import { record } from '#log/record.ts'
import { newId } from '#postgres/id.ts'
import { countHooks, deleteHook, findHook, type HookRow, insertHook, rotateSecret } from './hooks.sql.ts'

const HOOKS_MAX = 1_000
const SECRET_BYTES = 32

type Asked = Cause & { projectId: string }

export type HookAsked = {
  name: string
  sender: Sender
  signingSecret: string | null
  eventKey: string | null
  job: string | null
  pass: 'request' | 'json'
  rateLimitPerMinute: number
}

/** A secret in a URL: 256 random bits after a readable prefix. */
const newSecret = (): string => `hk_${randomBytes(SECRET_BYTES).toString('base64url')}`

export const hashSecret = (secret: string): Buffer => createHash('sha256').update(secret).digest()

export async function createHook(
  ctx: Ctx,
  { projectId, actor, ...asked }: Asked & HookAsked,
): Promise<{ row: HookRow; secret: string }> {
  if (asked.sender !== 'none' && asked.signingSecret === null)
    throw refuseField('signing_secret', 'is required, unless sender is none')
  if (asked.sender === 'none' && asked.signingSecret !== null)
    throw refuseField('signing_secret', 'is allowed only with a sender')
  checkSecret(asked.sender, asked.signingSecret)
  const job = asked.job === null ? undefined : await requireJob(ctx, projectId, asked.job)
  const secret = newSecret()
  const id = newId()
  return record(ctx, async (tx) => {
    checkAddressGift(await findGiver(tx, { actor }, projectId), asked.rateLimitPerMinute)
    if ((await countHooks(tx, projectId)) >= HOOKS_MAX)
      throw refuseField('name', `would exceed the limit of ${HOOKS_MAX} hooks per project`)
    await insertHook(tx, {
      ...asked,
      id,
      projectId,
      jobId: job?.id ?? null,
      secretHash: hashSecret(secret),
      shownPrefix: shownPrefix(secret),
      createdByType: actor.type,
      createdById: actor.id,
    })
    const row = (await findHook(tx, projectId, id))!
    const data = { name: row.name, sender: row.sender, event_key: row.eventKey, job: row.job, prefix: row.shownPrefix }
    return { result: { row, secret }, events: [hookEvent({ projectId, actor }, { type: 'hook.created', id, data })] }
  })
}

/** Gives it another address; the old one is good for a grace period. */
export async function rotateHook(
  ctx: Ctx,
  { projectId, actor, hookId, graceSecs, signingSecret }: Asked & { hookId: string } & Rotation,
): Promise<{ row: HookRow; secret: string }> {
  const secret = newSecret()
  return record(ctx, async (tx) => {
    const old = await findHook(tx, projectId, hookId)
    if (!old) throw refuse('hook_not_found', { hookId })
    checkAddressGift(await findGiver(tx, { actor }, projectId), old.rateLimitPerMinute)
    if (signingSecret !== undefined && old.sender === 'none')
      throw refuseField('signing_secret', 'is allowed only with a sender')
    checkSecret(old.sender, signingSecret)
    const made = { secretHash: hashSecret(secret), shownPrefix: shownPrefix(secret) }
    await rotateSecret(tx, { id: old.id, ...made, graceSecs, signingSecret })
    const row = (await findHook(tx, projectId, hookId))!
    const data = { name: row.name, prefix: row.shownPrefix, grace_secs: graceSecs }
    const event = hookEvent({ projectId, actor }, { type: 'hook.rotated', id: row.id, data })
    return { result: { row, secret }, events: [event] }
  })
}

function checkSecret(sender: Sender, secret: string | null | undefined): void {
  const problem = secret == null ? undefined : secretProblem(sender, secret)
  if (problem) throw refuseField('signing_secret', problem)
}

type Rotation = { graceSecs: number; signingSecret?: string | undefined }

export async function removeHook(ctx: Ctx, { projectId, actor, hookId }: Asked & { hookId: string }): Promise<void> {
  await record(ctx, async (tx) => {
    const row = await findHook(tx, projectId, hookId)
    if (!row || !(await deleteHook(tx, projectId, hookId))) throw refuse('hook_not_found', { hookId })
    const data = { name: row.name, prefix: row.shownPrefix }
    const event = hookEvent({ projectId, actor }, { type: 'hook.deleted', id: row.id, data })
    return { result: undefined, events: [event] }
  })
}

const hookEvent = (
  { projectId, actor }: Asked,
  { type, id, data }: { type: string; id: string; data: object },
): NewEvent => ({ projectId, type, actor, resourceType: 'hook', resourceId: id, data })
