// Runs that wait, and the moments at which a race has to be made.
import { connect, type Sql } from '#postgres/sql.ts'
import { claimRuns, seatsFor } from '#run-state/claim/claim-runs.sql.ts'
import { moveRuns } from '#run-state/move/move-runs.sql.ts'
import { newWait } from '#run-state/move/wait-parts.sql.ts'
import { spawnRun } from '#runs/control/spawn-run.ts'
import { triggerRun } from '#runs/trigger/trigger-runs.ts'
import { waits } from '#runs/waits/waits.duty.ts'
import { awaitBlocked } from '../db.ts'
import { addJob, ORIGIN, TESTER, type Yard } from '../yard.ts'

export const claim = async (sql: Sql, queue = 'default', limit = 1) =>
  (
    await claimRuns(sql, {
      projectId: 'default',
      queues: [queue],
      seats: seatsFor({ owner: 'w', actor: TESTER, leaseSecs: 300 }, limit),
      into: 'executing',
      turn: 0,
      order: 'strict',
    })
  ).runs

export const stateOf = async (sql: Sql, id: string) =>
  (await sql`select state, error from run_states where run_id = ${id}`)[0]!

export const idle = () => ({ aborted: false }) as AbortSignal

export const sleep = (ms: number) => new Promise((r) => setTimeout(r, ms))

export const attempt = (c: { runId: string; attempt: number; token: string }) => ({
  projectId: 'default',
  runId: c.runId,
  attempt: c.attempt,
  token: c.token,
  actor: TESTER,
})

export async function parentAndChild({ ctx, sql }: Yard, timeoutSecs = 3600) {
  await addJob(ctx, 'p', { queue: 'p' })
  await addJob(ctx, 'c', { queue: 'c' })
  const { run } = await triggerRun(ctx, 'p', {}, ORIGIN)
  const [c] = await claim(sql, 'p')
  const child = await spawnRun(
    ctx,
    'c',
    {},
    {
      projectId: 'default',
      parentRunId: run.publicId,
      token: c!.token,
      actor: TESTER,
      awaitCompletion: { timeoutSecs },
    },
  )
  return { parent: run.id, child: child.run.id }
}

/** While the duty of waits is held up at its lock, the run is woken, begins, and waits for an event for an hour. */
export async function wakeDuringTick({ ctx, sql, url }: Pick<Yard, 'ctx' | 'sql' | 'url'>, runId: string) {
  const other = connect(url, { name: 'other' }) as unknown as Sql
  let ticking: Promise<unknown> | undefined
  await other.begin(async (transaction) => {
    const tx = transaction as unknown as Sql
    await tx`select from run_states where run_id = ${runId} for update`
    ticking = waits(ctx).tick(idle())
    await awaitBlocked(sql)
    await moveRuns(tx, [{ runId, move: 'wake', actor: TESTER, dueInMs: 0 }])
    await moveRuns(tx, [{ runId, move: 'start', actor: TESTER }])
    await moveRuns(tx, [
      { runId, move: 'wait', actor: TESTER, wait: newWait('event', { eventKey: 'b', timeoutMs: 3_600_000 }) },
    ])
  })
  await ticking
  await other.end()
}
