// What the people of a project want to be told about.
import type { Cause } from '#core/event.ts'
import { appendEvents } from '#storage/append-events.ts'
import { mergeNotices, type Notices } from '#storage/plans.ts'
import type { Sql } from '#storage/sql.ts'
import type { Ctx } from './ctx.ts'

/** What is not said stays as it is. */
export async function changeNotices(
  ctx: Ctx,
  { projectId, wanted, ...cause }: Cause & { projectId: string; wanted: Partial<Notices> },
): Promise<Notices> {
  const notices = await ctx.sql.begin(async (transaction) => {
    const tx = transaction as unknown as Sql
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
