// Projects and their keys. A key is shown once, when it is made.

import type { Ctx } from '#bell/ctx.ts'
import { refuse } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { appendEvents } from '#log/append-events.sql.ts'
import { newId } from '#postgres/id.ts'
import type { Sql } from '#postgres/sql.ts'
import { setPlan } from '#usage/plans.sql.ts'
import { hashKey, newApiKey, shownPrefix } from './api-keys.ts'
import {
  endKey,
  findKey,
  findProject,
  insertKey,
  insertProject,
  type KeyRow,
  type NewKey,
  type ProjectRow,
  revokeKey as revoke,
} from './keys.sql.ts'

type Asked = Cause & { projectId: string }
type KeyRequest = Pick<NewKey, 'name' | 'scopes' | 'rateLimitPerMinute' | 'expiresInSecs'>

/** Makes a key; nobody can give a scope that they lack. */
export async function createKey(
  ctx: Ctx,
  asked: Asked & KeyRequest & { callerScopes: ReadonlySet<string> },
): Promise<{ row: KeyRow; key: string }> {
  // What an admin may do ends with the project; the other projects are for the one who runs the installation.
  const mayGive = (scope: string) =>
    asked.callerScopes.has(scope) || (asked.callerScopes.has('admin') && scope !== 'projects')
  const lacking = asked.scopes.find((scope) => !mayGive(scope))
  if (lacking) throw refuse('forbidden', { scope: lacking })
  return transact(ctx, async (tx) => {
    const made = await makeKey(tx, asked)
    await audit(tx, asked, {
      type: 'api_key.created',
      keyId: made.row.id,
      data: { name: asked.name, scopes: asked.scopes, prefix: made.row.prefix },
    })
    return made
  })
}

export async function revokeKey(ctx: Ctx, asked: Asked & { keyId: string }): Promise<void> {
  await transact(ctx, async (tx) => {
    const row = await findKey(tx, asked.projectId, asked.keyId)
    if (!row) throw refuse('key_not_found', { keyId: asked.keyId })
    if (await revoke(tx, row.id))
      await audit(tx, asked, { type: 'api_key.revoked', keyId: row.id, data: { name: row.name, prefix: row.prefix } })
  })
  ctx.ring(['keys'])
}

/** A new key like an old one, which goes on working for a grace. */
export async function rotateKey(
  ctx: Ctx,
  asked: Asked & { keyId: string; graceSecs: number },
): Promise<{ row: KeyRow; key: string }> {
  const made = await transact(ctx, async (tx) => {
    const old = await findKey(tx, asked.projectId, asked.keyId)
    if (!old || old.revokedAt) throw refuse('key_not_found', { keyId: asked.keyId })
    const next = await makeKey(tx, {
      ...asked,
      name: old.name,
      scopes: old.scopes,
      rateLimitPerMinute: old.rateLimitPerMinute ?? undefined,
    })
    await endKey(tx, old.id, { graceSecs: asked.graceSecs, rotatedTo: next.row.id })
    await audit(tx, asked, {
      type: 'api_key.rotated',
      keyId: old.id,
      data: { rotated_to: next.row.id, grace_secs: asked.graceSecs },
    })
    return next
  })
  ctx.ring(['keys'])
  return made
}

/** A project with its first key, which may do everything in it. */
export async function createProject(
  ctx: Ctx,
  asked: Cause & { id: string; name: string },
): Promise<{ project: ProjectRow; key: string }> {
  return transact(ctx, async (tx) => {
    const project = await insertProject(tx, asked)
    if (!project) throw refuse('project_exists', { projectId: asked.id })
    const { key } = await makeKey(tx, { ...asked, projectId: asked.id, name: 'first key', scopes: ['admin'] })
    await appendEvents(tx, [
      {
        ...why(asked),
        projectId: asked.id,
        type: 'project.created',
        resourceType: 'project',
        resourceId: asked.id,
        data: { name: asked.name },
      },
    ])
    return { project, key }
  })
}

/** Gives a project another plan. */
export async function changePlan(ctx: Ctx, asked: Asked & { plan: string }): Promise<ProjectRow> {
  return transact(ctx, async (tx) => {
    const project = (await setPlan(tx, asked.projectId, asked.plan)) && (await findProject(tx, asked.projectId))
    if (!project) throw refuse('project_not_found', { projectId: asked.projectId })
    await appendEvents(tx, [
      {
        ...why(asked),
        projectId: asked.projectId,
        type: 'project.plan_set',
        resourceType: 'project',
        resourceId: asked.projectId,
        data: { plan: asked.plan },
      },
    ])
    return project
  })
}

async function makeKey(tx: Sql, it: Asked & KeyRequest): Promise<{ row: KeyRow; key: string }> {
  const key = newApiKey()
  const { projectId, name, scopes, rateLimitPerMinute, expiresInSecs } = it
  const row = await insertKey(tx, {
    id: newId(),
    projectId,
    name,
    prefix: shownPrefix(key),
    hash: hashKey(key),
    scopes,
    rateLimitPerMinute,
    expiresInSecs,
    createdBy: it.actor.id,
  })
  return { row: row!, key }
}

const why = ({ actor, correlationId, causationId }: Cause) => ({ actor, correlationId, causationId })

const audit = (tx: Sql, asked: Asked, { type, keyId, data }: { type: string; keyId: string; data: object }) =>
  appendEvents(tx, [
    { ...why(asked), projectId: asked.projectId, type, resourceType: 'api_key', resourceId: keyId, data },
  ])

async function transact<T>(ctx: Ctx, work: (tx: Sql) => Promise<T>): Promise<T> {
  const done = await ctx.sql.begin((transaction) => work(transaction as unknown as Sql))
  ctx.ring(['tail'])
  return done as T
}
