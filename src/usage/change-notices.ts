// The notification preferences of a project.

import type { Ctx } from '#bell/ctx.ts'
import type { Cause } from '#core/event.ts'
import { appendEvents } from '#log/append-events.sql.ts'

import { mergeNotices, type Notices } from './plans.sql.ts'

/** Omitted fields stay as they are. */
export async function changeNotices(
  ctx: Ctx,
  { projectId, wanted, ...cause }: Cause & { projectId: string; wanted: Partial<Notices> },
): Promise<Notices> {
  const notices = await ctx.sql.begin(async (tx) => {
    const changed = await mergeNotices(tx, projectId, wanted)
    await appendEvents(tx, [
      {
        ...cause,
        projectId,
        type: 'project.notices_set',
        resourceType: 'project',
        resourceId: projectId,
        data: changed,
      },
    ])
    return changed
  })
  ctx.ring(['tail'])
  return notices as Notices
}
