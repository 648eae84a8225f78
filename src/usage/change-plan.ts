// The plan of a project: its monthly quotas.
import { findProject, type ProjectRow } from '#access/keys.sql.ts'
import type { Ctx } from '#bell/ctx.ts'
import { refuse } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { record } from '#log/record.ts'
import { setPlan } from './plans.sql.ts'

/** Changes a project's plan; other nodes follow within seconds. */
export async function changePlan(
  ctx: Ctx,
  { projectId, plan, actor, correlationId, causationId }: Cause & { projectId: string; plan: string },
): Promise<ProjectRow> {
  return record(ctx, async (tx) => {
    const project = (await setPlan(tx, projectId, plan)) && (await findProject(tx, projectId))
    if (!project) throw refuse('project_not_found', { projectId })
    const event = { projectId, type: 'project.plan_set', actor, correlationId, causationId, data: { plan } }
    return { result: project, events: [{ ...event, resourceType: 'project', resourceId: projectId }] }
  })
}
