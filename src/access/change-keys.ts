// Projects and their keys. A key is shown once, when it is made.

import type { Ctx } from '#bell/ctx.ts'
import { refuse } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import type { NewEvent } from '#log/new-event.sql.ts'
import { record } from '#log/record.ts'
import { newId } from '#postgres/id.ts'
import type { Db } from '#postgres/sql.ts'
import { hashKey, newApiKey, shownPrefix } from './api-keys.ts'
import { checkGift, findGiver } from './giver.ts'
import {
  endKey,
  findKey,
  insertKey,
  insertProject,
  type KeyRow,
  type NewKey,
  type ProjectChange,
  type ProjectRow,
  revokeKey as revoke,
  updateProject,
} from './keys.sql.ts'

type Asked = Cause & { projectId: string }
type KeyRequest = Pick<NewKey, 'name' | 'scopes' | 'rateLimitPerMinute' | 'expiresInSecs' | 'expiresAt'>

/** Creates a key that can do, last and be used no more than the caller's. */
export async function createKey(ctx: Ctx, asked: Asked & KeyRequest): Promise<{ row: KeyRow; key: string }> {
  return record(ctx, async (tx) => {
    const giver = await findGiver(tx, asked, asked.projectId)
    const made = await makeKey(tx, {
      ...asked,
      rateLimitPerMinute: asked.rateLimitPerMinute ?? giver.rateLimitPerMinute,
      expiresAt: giver.expiresAt,
    })
    checkGift(giver, made.row)
    const data = { name: asked.name, scopes: asked.scopes, prefix: made.row.prefix }
    return { result: made, events: [keyEvent(asked, { type: 'api_key.created', keyId: made.row.id, data })] }
  })
}

export async function revokeKey(ctx: Ctx, asked: Asked & { keyId: string }): Promise<void> {
  await record(ctx, async (tx) => {
    const row = await findKey(tx, asked.projectId, asked.keyId)
    if (!row) throw refuse('key_not_found', { keyId: asked.keyId })
    const data = { name: row.name, prefix: row.prefix }
    const event = keyEvent(asked, { type: 'api_key.revoked', keyId: row.id, data })
    return { result: row, events: (await revoke(tx, row.id)) ? [event] : [], rings: ['keys'] }
  })
}

/** Rotates: a new key like an old one, with its expiry; the old one keeps working for a grace period. */
export async function rotateKey(
  ctx: Ctx,
  asked: Asked & { keyId: string; graceSecs: number },
): Promise<{ row: KeyRow; key: string }> {
  return record(ctx, async (tx) => {
    const old = await findKey(tx, asked.projectId, asked.keyId)
    if (!old || old.revokedAt) throw refuse('key_not_found', { keyId: asked.keyId })
    checkGift(await findGiver(tx, asked, asked.projectId), old)
    if (old.rotatedTo) throw refuse('key_not_rotatable', { keyId: old.id, reason: 'has been rotated' })
    if (old.expired) throw refuse('key_not_rotatable', { keyId: old.id, reason: 'has expired' })
    const { name, scopes, rateLimitPerMinute, expiresAt } = old
    const next = await makeKey(tx, { ...asked, name, scopes, rateLimitPerMinute, expiresAt })
    await endKey(tx, old.id, { graceSecs: asked.graceSecs, rotatedTo: next.row.id })
    const data = { rotated_to: next.row.id, grace_secs: asked.graceSecs }
    const event = keyEvent(asked, { type: 'api_key.rotated', keyId: old.id, data })
    return { result: next, events: [event], rings: ['keys'] }
  })
}

/** Creates a project with its first key, which has all scopes; only for callers that have as many in their project. */
export async function createProject(
  ctx: Ctx,
  asked: Cause & { id: string; name: string; maxSpendMicrousdPerDay?: number | null | undefined },
): Promise<{ project: ProjectRow; key: string }> {
  return record(ctx, async (tx) => {
    const project = await insertProject(tx, asked)
    if (!project) throw refuse('project_exists', { projectId: asked.id })
    const giver = await findGiver(tx, asked)
    const { rateLimitPerMinute, expiresAt } = giver
    const first = { name: 'first key', scopes: ['admin'], rateLimitPerMinute, expiresAt }
    const { row, key } = await makeKey(tx, { ...asked, ...first, projectId: asked.id })
    checkGift(giver, row)
    const event = projectEvent({ ...asked, projectId: asked.id }, 'project.created', { name: asked.name })
    return { result: { project, key }, events: [event] }
  })
}

/** Changes the name or the budget of a project. */
export async function changeProject(ctx: Ctx, asked: Asked & { change: ProjectChange }): Promise<ProjectRow> {
  return record(ctx, async (tx) => {
    const project = await updateProject(tx, asked.projectId, asked.change)
    if (!project) throw refuse('project_not_found', { projectId: asked.projectId })
    const data = { name: project.name, max_spend_microusd_per_day: project.maxSpendMicrousdPerDay }
    return { result: project, events: [projectEvent(asked, 'project.changed', data)] }
  })
}

async function makeKey(tx: Db, it: Asked & KeyRequest): Promise<{ row: KeyRow; key: string }> {
  const key = newApiKey()
  const { projectId, name, scopes, rateLimitPerMinute, expiresInSecs, expiresAt } = it
  const row = await insertKey(tx, {
    id: newId(),
    projectId,
    name,
    prefix: shownPrefix(key),
    hash: hashKey(key),
    scopes,
    rateLimitPerMinute,
    expiresInSecs,
    expiresAt,
    createdBy: it.actor.id,
  })
  return { row: row!, key }
}

const why = ({ actor, correlationId, causationId }: Cause) => ({ actor, correlationId, causationId })

const keyEvent = (asked: Asked, it: { type: string; keyId: string; data: object }): NewEvent => ({
  ...why(asked),
  projectId: asked.projectId,
  type: it.type,
  resourceType: 'api_key',
  resourceId: it.keyId,
  data: it.data,
})

const projectEvent = (asked: Asked, type: string, data: object): NewEvent => ({
  ...why(asked),
  projectId: asked.projectId,
  type,
  resourceType: 'project',
  resourceId: asked.projectId,
  data,
})
