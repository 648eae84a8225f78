// Runs with everything that a reply shows of them.

import { type InputRow, readPendingInputs } from '#agents/input-requests.sql.ts'
import type { Ctx } from '#bell/ctx.ts'
import { readBodiesOfPage } from '#run-state/read/numbered-runs.sql.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'
import { type Run, runObject } from './run-wire.ts'

/** Approximate bytes of the inputs and outputs of a page; further runs are shown without them. */
const BODIES_BYTES_MAX = 8 * 1024 * 1024
const QUESTIONS_MAX = 10_000

export async function showRuns(ctx: Ctx, runs: readonly RunRow[]): Promise<Run[]> {
  if (runs.length === 0) return []
  const ids = runs.map((run) => run.id)
  const [bodies, questions] = await Promise.all([
    readBodiesOfPage(ctx.sql, ids, BODIES_BYTES_MAX),
    readPendingInputs(ctx.sql, ids, QUESTIONS_MAX),
  ])
  const pending = new Map<string, InputRow[]>(ids.map((id) => [id, []]))
  for (const question of questions) pending.get(question.runUuid!)!.push(question)
  return runs.map((run) => runObject(run, { body: bodies.get(run.id), pending: pending.get(run.id)! }))
}

export const showRun = async (ctx: Ctx, run: RunRow): Promise<Run> => (await showRuns(ctx, [run]))[0]!
