// Around Strait's runs: health, counts, batches, keys and projects, over the same actions as ours.

import type { FastifyInstance } from 'fastify'
import { createKey, createProject, revokeKey, rotateKey } from '#access/change-keys.ts'
import { findKey, findProject, type KeyRow, listKeys, listProjects, type ProjectRow } from '#access/keys.sql.ts'
import type { Ctx } from '#bell/ctx.ts'
import { DAY_SECS } from '#core/durations.ts'
import { refuse, refuseField } from '#core/error.ts'
import { askedBy } from '#http/caller.ts'
import { answer, implement } from '#http/implement.ts'
import type { Check } from '#http/routes/operations.ts'
import { createdKey } from '#http/wire/cursor.ts'
import { type BatchRow, listBatches } from '#jobs/batches.sql.ts'
import { instantText } from '#postgres/instant.ts'
import { findRunBody, readRunCounts } from '#run-state/read/read-runs.sql.ts'
import { requireBatch } from '#runs/trigger/trigger-batch.ts'
import { sendEventNow } from '#runs/waits/send-event.ts'
import * as contract from './admin-contract.ts'
import { scopesOf, shownScopes } from './admin-scopes.ts'
import { countsOf } from './jobs.ts'
import { checkProjectOfBulk, checkProjectOfRead, createdPlace, namePlace, pageOf, shown, untied } from './paging.ts'
import { filled, straitRun } from './run-wire.ts'

type Parts = { ctx: Ctx; checks: () => Promise<Check[]> }

export const STRAIT_ADMIN_ROUTES = contract.ADMIN_ROUTES

export function straitAdminRoutes(app: FastifyInstance, { ctx, checks }: Parts): void {
  operationsRoutes(app, { ctx, checks })
  batchRoutes(app, ctx)
  keyRoutes(app, ctx)
  projectRoutes(app, ctx)
  implement(app, contract.sendEvent, async ({ event_key, payload = null }, caller) => {
    const { run, wait } = await sendEventNow(ctx, { ...askedBy(caller), eventKey: event_key, payload })
    const { id, projectId, createdAt, expiresAt } = wait
    return {
      id,
      event_key,
      project_id: projectId,
      source_type: 'job_run' as const,
      job_run_id: run.publicId,
      status: 'received' as const,
      timeout_secs: expiresAt ? Math.round((expiresAt.getTime() - createdAt.getTime()) / 1000) : 0,
      requested_at: createdAt.toISOString(),
      received_at: new Date(ctx.nowMs()).toISOString(),
      trigger_type: 'event' as const,
      ...filled({ response_payload: payload, expires_at: expiresAt?.toISOString(), sent_by: caller.actor.id }),
      run: straitRun(run, await findRunBody(ctx.sql, run.id)),
    }
  })
}

function operationsRoutes(app: FastifyInstance, { ctx, checks }: Parts): void {
  implement(app, contract.getHealth, () => ({ status: 'ok' as const }))
  implement(app, contract.getReady, async () => {
    // Checks that are only advisory are omitted: Strait has no such notion.
    const components = (await checks()).filter((check) => !check.advisory).map(componentOf)
    return components.every(({ status }) => status === 'up')
      ? answer(200, { status: 'up' as const, components })
      : answer(503, { status: 'down' as const, components })
  })
  implement(app, contract.getStats, async ({ project_id }, caller) => {
    checkProjectOfRead(project_id, caller)
    return countsOf(await readRunCounts(ctx.sql, caller.projectId))
  })
}

/** For the database, its age is its response time; a duty has no latency. */
const componentOf = ({ name, ok, age_ms, reason }: Check) => ({
  name,
  status: ok ? ('up' as const) : ('down' as const),
  ...(ok
    ? name === 'database' && age_ms !== null && { latency_ms: age_ms }
    : { error: reason ?? `${name} is not working` }),
})

const batchWire = (batch: BatchRow) => ({
  id: batch.id,
  project_id: batch.projectId,
  job_id: batch.jobId,
  item_count: batch.itemCount,
  created_count: batch.createdCount,
  created_at: instantText(batch.createdAt),
  ...filled({ created_by: batch.createdBy, finished_at: batch.finishedAt?.toISOString() }),
})

function batchRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listBatchOperations, async ({ project_id, cursor, ...page }, caller, request, reply) => {
    checkProjectOfRead(project_id, caller)
    const after = createdPlace('strait-batches', cursor, 'newest')
    const found = await untied(shown(page.limit), (limit) =>
      listBatches(ctx.reads, { projectId: caller.projectId, after, limit }),
    )
    return pageOf(request, reply, { ...found, list: 'strait-batches', place: createdKey }).map(batchWire)
  })
  implement(app, contract.getBatchOperation, async ({ batch_id }, { projectId }) =>
    batchWire(await requireBatch(ctx, projectId, batch_id)),
  )
}

const keyWire = (key: KeyRow) => ({
  id: key.id,
  project_id: key.projectId,
  name: key.name,
  key_prefix: key.prefix,
  scopes: shownScopes(key.scopes),
  created_at: instantText(key.createdAt),
  ...filled({
    expires_at: key.expiresAt?.toISOString(),
    revoked_at: key.revokedAt?.toISOString(),
    last_used_at: key.lastUsedAt?.toISOString(),
  }),
})

/** A key in a list also shows its rotation. */
const listedKeyWire = (key: KeyRow) => ({
  ...keyWire(key),
  ...(key.rotatedTo && filled({ replaced_by_key_id: key.rotatedTo, grace_expires_at: key.expiresAt?.toISOString() })),
})

const GRACE_MINUTES = 60

function keyRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.createKey, async ({ project_id, name, scopes, expires_in_days, environment_id }, caller) => {
    checkProjectOfBulk(project_id, caller)
    if (environment_id) throw refuseField('environment_id', 'is not supported by this installation; leave it out')
    const { row, key } = await createKey(ctx, {
      ...askedBy(caller),
      name,
      scopes: scopesOf(scopes),
      expiresInSecs: expires_in_days ? expires_in_days * DAY_SECS : undefined,
    })
    return { ...keyWire(row), key }
  })
  implement(app, contract.listKeys, async ({ project_id, cursor, ...page }, caller, request, reply) => {
    checkProjectOfRead(project_id, caller)
    const after = createdPlace('strait-keys', cursor, 'newest')
    const found = await untied(shown(page.limit), (limit) => listKeys(ctx.reads, caller.projectId, { after, limit }))
    return pageOf(request, reply, { ...found, list: 'strait-keys', place: createdKey }).map(listedKeyWire)
  })
  implement(app, contract.revokeKey, async ({ key_id }, caller) => {
    await revokeKey(ctx, { ...askedBy(caller), keyId: key_id })
    return undefined
  })
  implement(app, contract.rotateKey, async ({ key_id, grace_period_minutes = GRACE_MINUTES }, caller) => {
    const { row, key } = await rotateKey(ctx, {
      ...askedBy(caller),
      keyId: key_id,
      graceSecs: grace_period_minutes * 60,
    })
    const old = await findKey(ctx.sql, caller.projectId, key_id)
    // Rotated a moment ago, so it has an end.
    const grace_expires_at = old!.expiresAt!.toISOString()
    return { ...keyWire(row), key, old_key_id: key_id, new_key_id: row.id, grace_expires_at }
  })
}

const projectWire = ({ id, name, createdAt }: ProjectRow) => ({
  id,
  org_id: 'default',
  name,
  created_at: createdAt.toISOString(),
  updated_at: createdAt.toISOString(),
})

function projectRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.createProject, async ({ id, name }, { actor }) => {
    const { project, key } = await createProject(ctx, { actor, id, name: name ?? id })
    return { ...projectWire(project), key }
  })
  implement(app, contract.listProjects, async ({ cursor, ...page }, _, request, reply) => {
    const limit = shown(page.limit)
    const rows = await listProjects(ctx.reads, { after: namePlace('strait-projects', cursor), limit: limit + 1 })
    return pageOf(request, reply, { rows, limit, list: 'strait-projects', place: ({ id }) => [id] }).map(projectWire)
  })
  implement(app, contract.getProject, async ({ project_id }) => {
    const project = await findProject(ctx.sql, project_id)
    if (!project) throw refuse('project_not_found', { projectId: project_id })
    return projectWire(project)
  })
}
