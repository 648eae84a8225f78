// Waits until a run has ended or awaits input.
import { setTimeout as sleep } from 'node:timers/promises'
import { countPending } from '#agents/input-requests.sql.ts'
import type { Ctx } from '#bell/ctx.ts'
import { refuse } from '#core/error.ts'
import { isOver } from '#core/run.ts'
import { type RunRow, readRuns } from '#run-state/read/read-runs.sql.ts'
import type { Run } from './run-wire.ts'
import { statusOf } from './run-wire.ts'
import { showRun } from './show.ts'

/** Fallback for a lost ring. */
const LOOK_EVERY_MS = 5_000
/** A streaming run may ring a thousand times per second. */
const LOOK_AGAIN_MS = 100

type Wait = { runId: string; ms: number; signal: AbortSignal }

/** The run once it has ended or awaits input; undefined when that takes longer than `ms`, or the signal came first. */
export async function untilSettled(ctx: Ctx, { runId, ms, signal }: Wait): Promise<RunRow | undefined> {
  const endMs = performance.now() + ms
  for (;;) {
    const listening = ctx.listen([`run:${runId}`])
    const lookedAtMs = performance.now()
    try {
      const run = await findSettled(ctx, runId)
      const leftMs = endMs - performance.now()
      if (run || signal.aborted || leftMs <= 0) return run
      await listening.rung(Math.min(leftMs, LOOK_EVERY_MS), signal)
    } finally {
      listening.close()
    }
    await sleep(Math.max(0, lookedAtMs + LOOK_AGAIN_MS - performance.now()))
  }
}

async function findSettled(ctx: Ctx, runId: string): Promise<RunRow | undefined> {
  const run = await readNow(ctx, runId)
  if (isOver(run.state)) return run
  if (statusOf(run.state, true) !== 'awaiting_input') return undefined
  return (await countPending(ctx.sql, runId)) > 0 ? run : undefined
}

async function readNow(ctx: Ctx, runId: string): Promise<RunRow> {
  const [run] = await readRuns(ctx.sql, [runId])
  if (!run) throw refuse('run_not_found', { runId })
  return run
}

/** The current run. */
export const showNow = async (ctx: Ctx, { id }: RunRow): Promise<Run> => showRun(ctx, await readNow(ctx, id))
