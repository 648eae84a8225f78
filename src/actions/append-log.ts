// Events that clients report. The first event of an unknown run id begins an external run; on such a run a reported
// ending moves its state as well. What the engine itself states, nobody else may.
import { type Refusal, refuse } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { EXTERNAL_ENDINGS, isEngineType, type RunMove, type RunState } from '#core/run.ts'
import { type Appended, appendEvents, type NewEvent } from '#storage/append-events.ts'
import { derivedId, isUuid } from '#storage/id.ts'
import { insertExternalRun } from '#storage/insert-external-run.ts'
import { findRun, type RunRow } from '#storage/read-runs.ts'
import type { Sql } from '#storage/sql.ts'
import type { Ctx } from './ctx.ts'
import { moveProblem } from './ended.ts'

/** An event as a client reports it; `runId` is the id that the client knows. */
export type Report = Omit<NewEvent, 'projectId' | 'actor' | 'token'>

export type Reporter = { projectId: string; actor: Actor }

export type Reported = {
  id: string | null
  position: number | null
  sequence: number | null
  runId: string | null
  duplicate: boolean
}

/** Appends one event. Callers that append many call this for each at once: they share their statements. */
export async function appendReport(
  ctx: Ctx,
  { projectId, actor }: Reporter,
  report: Report,
): Promise<Reported | Refusal> {
  const { runId: publicId, ...rest } = report
  const event: NewEvent = { ...rest, projectId, actor }
  if (publicId === undefined) {
    if (isEngineType(event.type)) return refuse('reserved_type', { type: event.type })
    const reported = reportedAs(await ctx.appendEvent(event), null)
    ctx.ring(['tail'])
    return reported!
  }
  if (isEngineType(event.type)) return appendEnding(ctx, event, publicId)
  for (const runId of likelyIds(projectId, publicId)) {
    const reported = reportedAs(await ctx.appendEvent({ ...event, runId }), publicId)
    if (!reported) continue
    ctx.ring([`run:${runId}`, 'tail'])
    return reported
  }
  const runId = derivedId(projectId, publicId)
  const appended = await begin(ctx, { event, publicId, runId })
  ctx.ring([`run:${runId}`, 'tail'])
  return reportedAs(appended, publicId)!
}

/** An id of ours, or the client's own string: what looks like ours is tried as such first. */
const likelyIds = (projectId: string, publicId: string): string[] =>
  isUuid(publicId) ? [publicId.toLowerCase(), derivedId(projectId, publicId)] : [derivedId(projectId, publicId)]

type Beginning = { event: NewEvent; publicId: string; runId: string }

/** Run and first event in one transaction; the run may be there by now, which is as good. */
async function begin(ctx: Ctx, { event, publicId, runId }: Beginning): Promise<Appended> {
  return ctx.sql.begin(async (transaction) => {
    const tx = transaction as unknown as Sql
    await insertExternal(tx, { event, publicId, runId })
    const [appended] = await appendEvents(tx, [{ ...event, runId }])
    return appended!
  }) as Promise<Appended>
}

const insertExternal = (tx: Sql, { event, publicId, runId }: Beginning) =>
  insertExternalRun(tx, {
    id: runId,
    projectId: event.projectId,
    clientId: publicId,
    actor: event.actor,
    correlationId: event.correlationId ?? runId,
    agentId: event.agentId,
  })

async function appendEnding(ctx: Ctx, event: NewEvent, publicId: string): Promise<Reported | Refusal> {
  const move = EXTERNAL_ENDINGS[event.type]
  let run = await findRun(ctx.sql, event.projectId, publicId)
  if (!move || (run && run.execution !== 'external')) return refuse('reserved_type', { type: event.type })
  if (!run) {
    const runId = derivedId(event.projectId, publicId)
    await ctx.sql.begin((transaction) => insertExternal(transaction as unknown as Sql, { event, publicId, runId }))
    run = await findRun(ctx.sql, event.projectId, publicId)
  }
  return endExternal(ctx, { run: run!, move, event })
}

async function endExternal(
  ctx: Ctx,
  { run, move, event }: { run: RunRow; move: RunMove; event: NewEvent },
): Promise<Reported | Refusal> {
  const failed = move !== 'complete'
  const changed = await ctx.moveRun({
    runId: run.id,
    move,
    actor: event.actor,
    ...(event.causationId && { causationId: event.causationId }),
    ...(event.message !== undefined && { message: event.message }),
    ...(event.data !== undefined && { data: event.data as object }),
    ...(failed && { error: event.message ?? event.type }),
  })
  // A second report of an ending is not a second ending.
  const problem =
    changed.outcome === 'already'
      ? refuse('run_over', { runId: run.publicId, state: run.state as RunState })
      : moveProblem(run.publicId, move, changed)
  if (problem) return problem
  ctx.ring([`run:${run.id}`, 'tail'])
  return {
    id: null,
    position: null,
    sequence: changed.outcome === 'moved' ? changed.sequence : null,
    runId: run.publicId,
    duplicate: false,
  }
}

function reportedAs(appended: Appended, runId: string | null): Reported | undefined {
  if (appended.outcome === 'no_run' || appended.outcome === 'stale') return undefined
  const { id, position, sequence, outcome } = appended
  return { id, position, sequence: sequence ?? null, runId, duplicate: outcome === 'duplicate' }
}
