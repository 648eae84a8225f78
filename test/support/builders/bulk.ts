// Bulk operations without HTTP: many runs, an operation over them, its pages.
import { moveNextPage } from '#bulk/operation-pages.ts'
import { findOperation } from '#bulk/operations.sql.ts'
import { type OperationRequest, startOperation } from '#bulk/operations.ts'
import type { RunMove, RunState } from '#core/run.ts'
import type { Sql } from '#postgres/sql.ts'
import { moveRuns } from '#run-state/move/move-runs.sql.ts'
import { makeClaimer } from '#runs/attempts/claimer.ts'
import { triggerRuns } from '#runs/trigger/trigger-runs.ts'
import { ORIGIN, TESTER, type Yard } from '../yard.ts'

export const ASKED = { projectId: 'default', actor: TESTER }

/** Ids of `count` new runs of a job, in the order of their creation. */
export async function addRuns(
  { ctx }: Yard,
  job: string,
  count: number,
  payload?: (index: number) => unknown,
): Promise<string[]> {
  const ids: string[] = []
  while (ids.length < count) {
    const requests = Array.from({ length: Math.min(500, count - ids.length) }, (_, index) => ({
      payload: payload?.(ids.length + index) ?? ids.length + index,
    }))
    for (const it of await triggerRuns(ctx, job, requests, ORIGIN)) ids.push((it as { run: { id: string } }).run.id)
  }
  return ids
}

export async function move(sql: Sql, runIds: readonly string[], ...moves: RunMove[]): Promise<void> {
  for (const move of moves)
    for (let at = 0; at < runIds.length; at += 500)
      await moveRuns(
        sql,
        runIds.slice(at, at + 500).map((runId) => ({ runId, move, actor: TESTER })),
      )
}

export const claimOldest = ({ ctx }: Yard, limit: number) =>
  makeClaimer(ctx).claim({
    projectId: 'default',
    queues: ['default'],
    owner: 'w',
    actor: TESTER,
    leaseSecs: 300,
    limit,
    into: 'executing',
  })

export const start = (
  { ctx }: Yard,
  kind: OperationRequest['kind'],
  conditions: OperationRequest['conditions'],
  more = {},
) => startOperation(ctx, { ...ASKED, kind, filter: { test: true }, conditions, ...more })

/** Moves pages until nothing is left to do. */
export async function moveAll({ ctx }: Yard): Promise<number> {
  for (let pages = 0; ; pages++) if ((await moveNextPage(ctx)) === 'idle') return pages
}

export const countStates = async (sql: Sql): Promise<Partial<Record<RunState, number>>> =>
  Object.fromEntries(
    (await sql<{ state: RunState; n: number }[]>`select state, count(*)::int as n from run_states group by state`).map(
      (row) => [row.state, row.n],
    ),
  )

export const operationOf = async ({ ctx }: Yard, id: string) => (await findOperation(ctx.sql, 'default', id))!
