// The notification preferences of a project.

import type { Ctx } from '#bell/ctx.ts'
import type { Cause } from '#core/event.ts'
import { record } from '#log/record.ts'
import { mergeNotices, type Notices } from './plans.sql.ts'

/** Omitted fields stay as they are. */
export async function changeNotices(
  ctx: Ctx,
  { projectId, wanted, ...cause }: Cause & { projectId: string; wanted: Partial<Notices> },
): Promise<Notices> {
  const about = { ...cause, projectId, resourceType: 'project', resourceId: projectId }
  return record(ctx, async (tx) => {
    const notices = await mergeNotices(tx, projectId, wanted)
    return { result: notices, events: [{ ...about, type: 'project.notices_set', data: notices }] }
  })
}
