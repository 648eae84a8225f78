// A continuation: a new run of the same job that continues this one. The old one ends by itself.

import type { Ctx } from '#bell/ctx.ts'
import { refuse } from '#core/error.ts'
import { priorityOf } from '#core/job.ts'
import { findRunBody, type RunRow } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import type { Attempt } from '../attempts/attempt-calls.ts'
import type { RunRequest } from '../trigger/run-request.ts'
import { createFromRun } from './run-from-run.ts'

/** Maximum depth of continuations: beyond it is an unintended loop. */
export const CONTINUATIONS_MAX = 10

/** Continues the run of an attempt with another payload, or with its own. */
export async function continueRun(ctx: Ctx, it: Attempt, { payload }: { payload?: unknown }): Promise<RunRow> {
  const above = await requireRun(ctx, it.projectId, it.runId)
  if (above.lineageDepth >= CONTINUATIONS_MAX) throw refuse('depth_exceeded', { depthMax: CONTINUATIONS_MAX })
  const { run } = await createFromRun(ctx, {
    above,
    token: it.token,
    actor: it.actor,
    job: above.jobId!,
    request: {
      ...(above.overrides as RunRequest | null),
      payload: payload === undefined ? ((await findRunBody(ctx.sql, above.id))?.payload ?? undefined) : payload,
      preset: above.preset ?? undefined,
      priority: priorityOf(above.rank),
      tags: above.tags,
      metadata: above.metadata,
      concurrencyKey: above.concurrencyKey || undefined,
      agentId: above.agentId ?? undefined,
      debugMode: above.debugMode || undefined,
    },
    origin: { triggeredBy: 'manual', continuationOf: above.id, lineageDepth: above.lineageDepth + 1 },
    event: { type: 'run.continued', data: (next) => ({ continuation_run_id: next.id }) },
  })
  return run
}
