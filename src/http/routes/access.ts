import type { FastifyInstance } from 'fastify'
import { changeProject, createKey, createProject, revokeKey, rotateKey } from '#access/change-keys.ts'
import { findProject, type KeyRow, listKeys, listProjects, type ProjectRow } from '#access/keys.sql.ts'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/access.ts'
import { DAY_SECS } from '#core/durations.ts'
import { refuse } from '#core/error.ts'
import type { Scope } from '#core/scopes.ts'
import type { PlanName } from '#core/usage/plan.ts'
import { changePlan } from '#usage/change-plan.ts'
import { implement } from '../implement.ts'
import { createdCursor, createdKey, decodeCursor, encodeCursor, pageOf, TEXT } from '../wire/cursor.ts'
import { toWire } from '../wire/words.ts'

const keyWire = ({ rotatedTo: _, scopes, ...row }: KeyRow) => ({ ...toWire(row), scopes: scopes as Scope[] })

const projectWire = ({ plan, ...row }: ProjectRow) => ({ ...toWire(row), plan: plan as PlanName })

export function accessRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.createProject, async ({ id, name, max_spend_microusd_per_day }, { actor }) => {
    const asked = { actor, id, name: name ?? id, maxSpendMicrousdPerDay: max_spend_microusd_per_day }
    const { project, key } = await createProject(ctx, asked)
    return { ...projectWire(project), key }
  })
  implement(app, contract.listProjects, async ({ cursor, limit }) => {
    const rows = await listProjects(ctx.sql, { after: decodeCursor('projects', cursor, [TEXT])?.[0], limit: limit + 1 })
    return pageOf(rows, limit, { wire: projectWire, cursor: (project) => encodeCursor('projects', [project.id]) })
  })
  implement(app, contract.getProject, async ({ project_id }) => {
    const project = await findProject(ctx.sql, project_id)
    if (!project) throw refuse('project_not_found', { projectId: project_id })
    return projectWire(project)
  })
  implement(app, contract.changeProject, async ({ project_id, name, max_spend_microusd_per_day }, { actor }) => {
    const change = {
      ...(name !== undefined && { name }),
      ...(max_spend_microusd_per_day !== undefined && { maxSpendMicrousdPerDay: max_spend_microusd_per_day }),
    }
    return projectWire(await changeProject(ctx, { actor, projectId: project_id, change }))
  })
  implement(app, contract.setPlan, async ({ project_id, plan }, { actor }) =>
    projectWire(await changePlan(ctx, { actor, projectId: project_id, plan })),
  )
  implement(app, contract.createKey, async ({ name, scopes, expires_in_days, rate_limit_per_minute }, caller) => {
    const { row, key } = await createKey(ctx, {
      projectId: caller.projectId,
      actor: caller.actor,
      name,
      scopes,
      rateLimitPerMinute: rate_limit_per_minute,
      expiresInSecs: expires_in_days === undefined ? undefined : expires_in_days * DAY_SECS,
    })
    return { ...keyWire(row), key }
  })
  implement(app, contract.listKeys, async ({ cursor, limit }, { projectId }) => {
    const rows = await listKeys(ctx.sql, projectId, { after: createdCursor('keys', cursor), limit: limit + 1 })
    return pageOf(rows, limit, {
      wire: keyWire,
      cursor: (key) => encodeCursor('keys', createdKey(key)),
    })
  })
  implement(app, contract.revokeKey, async ({ key_id }, { projectId, actor }) => {
    await revokeKey(ctx, { projectId, actor, keyId: key_id })
    return undefined
  })
  implement(app, contract.rotateKey, async ({ key_id, grace_secs }, { projectId, actor }) => {
    const { row, key } = await rotateKey(ctx, { projectId, actor, keyId: key_id, graceSecs: grace_secs })
    return { ...keyWire(row), key }
  })
  implement(app, contract.getMe, (_, { projectId, keyId, scopes }) => ({
    project_id: projectId,
    key_id: keyId,
    scopes: [...scopes] as Scope[],
  }))
}
