// Everything about one run, within limits: for debugging, and for sharing.

import { maskHeaders, maskUrl } from '#access/mask.ts'
import type { Ctx } from '#bell/ctx.ts'
import type { JobDefinition } from '#core/job.ts'
import { type DispatchRow, listDispatches } from '#dispatch/dispatches.sql.ts'
import { jobsOf } from '#jobs/job-cache.ts'
import type { JobVersionRow } from '#jobs/jobs.sql.ts'
import type { LogDelta, LogEvent } from '#log/event-columns.sql.ts'
import { findRunBody, type RunBody, type RunRow, readLineage } from '#run-state/read/read-runs.sql.ts'
import type { CheckpointRow, OutputRow, ToolCallRow, ValueRow } from '#runs/attempts/attempt-writes.sql.ts'
import { findUsageTotals, listUsage, type UsageRow, type UsageTotals } from '#usage/usage.sql.ts'
import { explainRun } from './explain-run.ts'
import { type RunAttempt, readAttempts, withDispatches } from './read-attempts.ts'
import {
  type RunSummary,
  readChildSummaries,
  readLatestCheckpoints,
  readLatestDeltas,
  readLatestEvents,
  readLatestToolCalls,
  readOutputs,
  readValues,
} from './read-records.sql.ts'
import type { Why } from './why.ts'

const MIB = 1024 * 1024

/**
 * Limits per kind: a row count, and a byte budget for values of unbounded size. Together with the payload, the result
 * and what is bounded when written (dispatches, usage, the job), a bundle stays below 64 MiB.
 */
export const BUNDLE_BOUNDS = {
  events: { limit: 10_000, bytesMax: 12 * MIB },
  deltas: { limit: 5_000, bytesMax: 4 * MIB },
  checkpoints: { limit: 1_000, bytesMax: 8 * MIB },
  toolCalls: { limit: 10_000, bytesMax: 8 * MIB },
  outputs: { limit: 10_000, bytesMax: 4 * MIB },
  values: { limit: 1_000, bytesMax: 4 * MIB },
  usage: { limit: 10_000 },
  children: { limit: 500 },
  lineage: { depth: 50 },
} as const

const NO_USAGE: UsageTotals = { calls: 0, promptTokens: 0, completionTokens: 0, totalTokens: 0, costMicrousd: 0 }

export type DebugBundle = {
  run: RunRow
  body: RunBody | undefined
  why: Why
  events: LogEvent[]
  deltas: LogDelta[]
  attempts: RunAttempt[]
  dispatches: DispatchRow[]
  /** Newest first. */
  checkpoints: CheckpointRow[]
  toolCalls: ToolCallRow[]
  usage: UsageRow[]
  usageTotals: UsageTotals
  outputs: OutputRow[]
  values: ValueRow[]
  children: RunSummary[]
  /** The chain of continuations that it belongs to, root first. */
  lineage: RunSummary[]
  /** The version that the run is bound to, without its secrets. */
  jobVersion: JobVersionRow | undefined
  /** Names of the lists that were cut off. */
  truncated: string[]
}

export async function readDebugBundle(ctx: Ctx, run: RunRow): Promise<DebugBundle> {
  const { reads } = ctx
  const { id } = run
  const bounds = BUNDLE_BOUNDS
  const [body, why, usage, usageTotals, dispatches, lineage, jobVersion, ...lists] = await Promise.all([
    findRunBody(reads, id),
    explainRun(ctx, run),
    listUsage(reads, id, { after: 0, limit: bounds.usage.limit + 1 }),
    findUsageTotals(reads, id),
    listDispatches(reads, id),
    readLineage(reads, id, bounds.lineage.depth),
    run.jobId === null || run.jobVersion === null ? undefined : jobsOf(ctx).version(run.jobId, run.jobVersion),
    readLatestEvents(reads, run, bounds.events),
    readLatestDeltas(reads, run, bounds.deltas),
    readLatestCheckpoints(reads, id, bounds.checkpoints),
    readLatestToolCalls(reads, id, bounds.toolCalls),
    readOutputs(reads, id, bounds.outputs),
    readValues(reads, id, bounds.values),
    readChildSummaries(reads, id, bounds.children.limit),
  ])
  const [events, deltas, checkpoints, toolCalls, outputs, values, children] = lists
  const cut = { events, deltas, checkpoints, toolCalls, outputs, values, children }
  return {
    run,
    body,
    why,
    events: events.rows,
    deltas: deltas.rows,
    // The events of its first attempts may have been cut off.
    attempts: events.cut
      ? await readAttempts(ctx, run)
      : withDispatches(events.rows, { run, dispatches, trace: body?.trace ?? null }),
    dispatches,
    checkpoints: checkpoints.rows,
    toolCalls: toolCalls.rows,
    usage: usage.slice(0, bounds.usage.limit),
    usageTotals: usageTotals ?? NO_USAGE,
    outputs: outputs.rows,
    values: values.rows,
    children: children.rows,
    lineage: lineage.map(summaryOf),
    jobVersion: jobVersion && { ...jobVersion, definition: withoutSecrets(jobVersion.definition) },
    truncated: [
      ...Object.entries(cut).flatMap(([name, list]) => (list.cut ? [name] : [])),
      ...(usage.length > bounds.usage.limit ? ['usage'] : []),
    ],
  }
}

const summaryOf = ({ id, publicId, jobSlug, state, attempt, lineageDepth, createdAt }: RunRow): RunSummary => ({
  id,
  publicId,
  jobSlug,
  state,
  attempt,
  lineageDepth,
  createdAt,
})

/** A bundle may be shared with people who may not see the job itself. */
const withoutSecrets = (definition: JobDefinition): JobDefinition => ({
  ...definition,
  endpointUrl: definition.endpointUrl && maskUrl(definition.endpointUrl),
  endpointHeaders: maskHeaders(definition.endpointHeaders),
})
