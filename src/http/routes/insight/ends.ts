import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/runs/ends.ts'
import { HOUR_MS } from '#core/durations.ts'
import type { RunState } from '#core/run.ts'
import { maskMessage } from '#core/runs/mask-message.ts'
import { type Failures, readEnds, readFailures } from '#insight/ended-runs.ts'
import { instantText } from '#postgres/instant.ts'
import { implement } from '../../implement.ts'
import { decodeCursor, encodeCursor, pageOf, TEXT, TIME } from '../../wire/cursor.ts'
import { toWire } from '../../wire/words.ts'

export function endRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.aggregateRuns, async ({ job, from, to, status, group_by }, { projectId }) => {
    const asked = { projectId, job, ...datesOf({ from, to }), states: status, groupBy: group_by }
    const read = await readEnds(ctx, asked)
    return {
      from: read.from.toISOString(),
      to: read.to.toISOString(),
      data: read.sums.map(({ hour, status: state, ...sum }) => ({
        ...toWire(sum),
        ...(hour && { hour: hour.toISOString() }),
        ...(state !== undefined && { status: state as RunState }),
      })),
      has_more: read.hasMore,
    }
  })
  implement(app, contract.listFailures, async ({ job, from, to, error_group, cursor, limit }, { projectId }) => {
    const place = decodeCursor('failures', cursor, [TIME, TEXT])
    const read = await readFailures(ctx, {
      projectId,
      job,
      ...datesOf({ from, to }),
      errorGroup: error_group,
      after: place && { lastSeenAt: place[0]!, errorGroup: place[1]! },
      limit: limit + 1,
    })
    const page = pageOf(read.groups, limit, {
      wire: failureWire,
      cursor: (group) => encodeCursor('failures', [instantText(group.lastSeenAt), group.errorGroup]),
    })
    return {
      from: read.from.toISOString(),
      to: read.to.toISOString(),
      unit: read.unitMs === HOUR_MS ? ('hour' as const) : ('day' as const),
      ...page,
    }
  })
}

const datesOf = ({ from, to }: { from?: string | undefined; to?: string | undefined }) => ({
  from: from === undefined ? undefined : new Date(from),
  to: to === undefined ? undefined : new Date(to),
})

const failureWire = ({ runId, error, ...group }: Failures['groups'][number]) => ({
  ...toWire(group),
  message: maskMessage(error ?? ''),
  sample: { run_id: runId, error },
})
