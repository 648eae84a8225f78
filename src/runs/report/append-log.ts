// Events that clients report. The first event of an unknown run id starts an external run; on such a run, a reported
// ending also changes its state. Types that state facts of the engine are reserved.

import type { Ctx } from '#bell/ctx.ts'
import { type Tx, transact } from '#bell/transact.ts'
import { type Refusal, refuse } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { checkNewRunId } from '#core/external-id.ts'
import { own } from '#core/own.ts'
import { EXTERNAL_ENDINGS, isEngineType, type RunMove, type RunState } from '#core/run.ts'
import { appendEvent, appendIn, appendTogether } from '#log/append-event.ts'
import type { Appended } from '#log/append-events.sql.ts'
import { readCorrelations } from '#log/find-event.sql.ts'
import type { NewEvent } from '#log/new-event.sql.ts'
import { refusedByServer } from '#postgres/group-commit.ts'
import { derivedId, isUuid } from '#postgres/id.ts'
import { insertExternalRun } from '#run-state/insert/insert-external-run.sql.ts'
import { moveProblem } from '#run-state/move/move-outcome.ts'
import { moveRun } from '#run-state/move/move-run.ts'
import { findRun, type RunRow } from '#run-state/read/read-runs.sql.ts'
import { cancelDescendants } from '../control/cancel-runs.ts'

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

/** Appends one event. Callers with many may call it for each at once: they share statements. */
export async function appendReport(ctx: Ctx, reporter: Reporter, report: Report): Promise<Reported | Refusal> {
  const [inChain] = await withChains(ctx, reporter.projectId, [report])
  return appendOne(ctx, reporter, inChain!)
}

async function appendOne(ctx: Ctx, { projectId, actor }: Reporter, report: Report): Promise<Reported | Refusal> {
  const { runId: publicId, ...rest } = report
  const event: NewEvent = { ...rest, projectId, actor }
  if (publicId === undefined) {
    if (isEngineType(event.type)) return refuse('reserved_type', { type: event.type })
    return reportedAs(await appendEvent(ctx, event), null)!
  }
  if (isEngineType(event.type)) return appendEnding(ctx, event, publicId)
  for (const runId of likelyIds(projectId, publicId)) {
    const reported = reportedAs(await appendEvent(ctx, { ...event, runId }), publicId)
    if (reported) return reported
  }
  const runId = derivedId(projectId, publicId)
  return reportedAs(await begin(ctx, { event, publicId, runId }), publicId)!
}

/**
 * Appends many events, in order: within a run, the sequence follows it. Each has its own result. Throws only when
 * nothing can be said about any of them.
 */
export async function appendReports(
  ctx: Ctx,
  reporter: Reporter,
  reports: readonly Report[],
): Promise<(Reported | Error)[]> {
  return appendAll(ctx, reporter, await withChains(ctx, reporter.projectId, reports))
}

async function appendAll(ctx: Ctx, reporter: Reporter, reports: readonly Report[]): Promise<(Reported | Error)[]> {
  const answers: (Reported | Error)[] = []
  let at = 0
  while (at < reports.length) {
    // As many as can share a statement do; an event that cannot gets one of its own first.
    const together = shareable(reports, at)
    if (together.length > 1) answers.push(...(await appendShared(ctx, reporter, together)))
    else answers.push(await appendOne(ctx, reporter, reports[at]!).catch(asError))
    at += Math.max(1, together.length)
  }
  return answers
}

/**
 * An event that names its cause, and no chain, belongs to the chain of its cause. One of a run belongs to the run's.
 */
async function withChains(ctx: Ctx, projectId: string, reports: readonly Report[]): Promise<readonly Report[]> {
  const lacks = ({ causationId, correlationId, runId }: Report) => causationId && !correlationId && runId === undefined
  if (!reports.some(lacks)) return reports
  const causes = new Set(reports.flatMap((report) => (lacks(report) ? report.causationId!.toLowerCase() : [])))
  const chains = await readCorrelations(ctx.sql, projectId, [...causes])
  return reports.map((report) => {
    const correlationId = lacks(report) ? chains.get(report.causationId!.toLowerCase()) : report.correlationId
    // The cause may come earlier in the same batch.
    if (report.id !== undefined && report.runId === undefined)
      chains.set(report.id.toLowerCase(), correlationId ?? report.id)
    return correlationId === undefined ? report : { ...report, correlationId }
  })
}

/** From `at` on: no ending of a run, because it moves the run, and no duplicate id. */
function shareable(reports: readonly Report[], at: number): readonly Report[] {
  const ids = new Set<string>()
  let end = at
  while (end < reports.length) {
    const { type, id, idGiven } = reports[end]!
    if (isEngineType(type) || (idGiven && id !== undefined && ids.has(id))) break
    if (idGiven && id !== undefined) ids.add(id)
    end++
  }
  return reports.slice(at, end)
}

async function appendShared(ctx: Ctx, reporter: Reporter, reports: readonly Report[]): Promise<(Reported | Error)[]> {
  const { projectId, actor } = reporter
  const events = reports.map(({ runId, ...rest }): NewEvent => {
    const stored = runId === undefined ? undefined : likelyIds(projectId, runId)[0]
    return { ...rest, projectId, actor, runId: stored }
  })
  const appended = await appendTogether(ctx, events).catch(asError)
  // The outcome is unknown, and a retry would not reveal it.
  if (appended instanceof Error && !refusedByServer(appended)) return reports.map(() => appended)
  const answers = reports.map((report, index) =>
    appended instanceof Error ? undefined : reportedAs(appended[index]!, report.runId ?? null),
  )
  const left = reports.flatMap((_, index) => (answers[index] ? [] : [index]))
  if (left.length > 0) {
    // A run that does not exist yet is started by its first event, and the others follow. A statement that was refused
    // because of one of its events is cut down the same way.
    const [first, ...rest] = left.map((index) => reports[index]!)
    const done = [await appendOne(ctx, reporter, first!).catch(asError), ...(await appendAll(ctx, reporter, rest))]
    left.forEach((index, at) => {
      answers[index] = done[at] as Reported
    })
  }
  return answers as (Reported | Error)[]
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

/** An id of ours, or the client's own string: what looks like ours is tried as such first. */
const likelyIds = (projectId: string, publicId: string): string[] =>
  isUuid(publicId) ? [publicId.toLowerCase(), derivedId(projectId, publicId)] : [derivedId(projectId, publicId)]

type Beginning = { event: NewEvent; publicId: string; runId: string }

/** Run and first event in one transaction; if the run exists by now, that is fine too. */
const begin = (ctx: Ctx, { event, publicId, runId }: Beginning): Promise<Appended> =>
  transact(ctx, async (tx) => {
    await insertExternal(tx, { event, publicId, runId })
    const [appended] = await appendIn(tx, [{ ...event, runId }])
    return appended!
  })

function insertExternal(tx: Tx, { event, publicId, runId }: Beginning): Promise<boolean> {
  checkNewRunId(publicId, 'run_id')
  return insertExternalRun(tx, {
    id: runId,
    projectId: event.projectId,
    clientId: publicId,
    actor: event.actor,
    correlationId: event.correlationId ?? runId,
    agentId: event.agentId,
  })
}

async function appendEnding(ctx: Ctx, event: NewEvent, publicId: string): Promise<Reported | Refusal> {
  const move = own(EXTERNAL_ENDINGS, event.type)
  let run = await findRun(ctx.sql, event.projectId, publicId)
  if (!move || (run && run.execution !== 'external')) return refuse('reserved_type', { type: event.type })
  if (!run) {
    const runId = derivedId(event.projectId, publicId)
    await transact(ctx, (tx) => insertExternal(tx, { event, publicId, runId }))
    run = await findRun(ctx.sql, event.projectId, publicId)
  }
  return endExternal(ctx, { run: run!, move, event })
}

async function endExternal(
  ctx: Ctx,
  { run, move, event }: { run: RunRow; move: RunMove; event: NewEvent },
): Promise<Reported | Refusal> {
  const failed = move !== 'complete'
  const changed = await moveRun(ctx, {
    runId: run.id,
    move,
    actor: event.actor,
    ...(event.causationId && { causationId: event.causationId }),
    ...(event.message !== undefined && { message: event.message }),
    ...(event.data !== undefined && { data: event.data }),
    ...(failed && { error: event.message ?? event.type }),
  })
  // A second report of an ending is not a second ending.
  const problem =
    changed.outcome === 'already'
      ? refuse('run_over', { runId: run.publicId, state: run.state as RunState })
      : moveProblem(run.publicId, move, changed)
  if (problem) return problem
  if (failed) await cancelDescendants(ctx, [run.id], { actor: event.actor })
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
