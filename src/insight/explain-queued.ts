// Why a run that is queued has not been claimed.
import { findAgent } from '#agents/agents.sql.ts'
import type { Ctx } from '#bell/ctx.ts'
import { HTTP_QUEUE } from '#core/queue.ts'
import { findJob, type JobRow } from '#jobs/jobs.sql.ts'
import { readLastAsked } from '#run-state/claim/queue-claimers.sql.ts'
import { countLeases, findQueuePlace, readThrottle } from '#run-state/claim/queue-place.sql.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'
import { AHEAD_MAX, type Base, iso, type Why } from './why.ts'

export async function explainQueued(ctx: Ctx, run: RunRow, base: Base): Promise<Why> {
  const agent = run.agentId === null ? undefined : await findAgent(ctx.sql, run.projectId, run.agentId)
  if (agent && !agent.enabled) {
    return {
      ...base,
      reason: 'agent_disabled',
      since: agent.disabledAt!,
      until: run.expiresAt,
      sentence: `Its agent ${agent.id} is disabled${agent.disabledReason ? `: ${agent.disabledReason}` : ''}.`,
      details: { agent_id: agent.id },
    }
  }
  const [job, place] = await Promise.all([
    findJob(ctx.sql, run.projectId, { id: run.jobId! }),
    findQueuePlace(ctx.sql, run.id, AHEAD_MAX),
  ])
  if (job?.pausedAt) {
    const reason = job.pauseReason ? `: ${job.pauseReason}` : ''
    return {
      ...base,
      reason: 'job_paused',
      since: job.pausedAt,
      sentence: `Its job ${job.slug} is paused${reason}.`,
      details: { job: job.slug },
    }
  }
  const { maxConcurrency = 0, maxConcurrencyPerKey = 0 } = job?.definition ?? {}
  const running = await countLeases(ctx.sql, run.jobId!, run.concurrencyKey)
  if (maxConcurrency > 0 && running.ofJob >= maxConcurrency) {
    return {
      ...base,
      reason: 'concurrency',
      ahead: place?.ahead ?? null,
      sentence: `Its job is at its concurrency limit: ${running.ofJob} of ${maxConcurrency} runs are executing.`,
      details: { max_concurrency: maxConcurrency, running: running.ofJob },
    }
  }
  if (maxConcurrencyPerKey > 0 && run.concurrencyKey && running.ofKey >= maxConcurrencyPerKey) {
    return {
      ...base,
      reason: 'concurrency',
      ahead: place?.ahead ?? null,
      sentence: `Its concurrency key is at its limit: ${running.ofKey} of ${maxConcurrencyPerKey} runs are executing.`,
      details: { max_concurrency_per_key: maxConcurrencyPerKey, running: running.ofKey },
    }
  }
  const throttled = job && (await explainThrottled(ctx, run, { job, base, ahead: place?.ahead ?? 0 }))
  if (throttled) return throttled
  const unasked = await explainUnasked(ctx, run, { ...base, ahead: place?.ahead ?? null, until: run.expiresAt })
  if (unasked) return unasked
  const ahead = place?.ahead ?? 0
  const line =
    ahead === 0
      ? 'it is next in its lane'
      : `${ahead >= AHEAD_MAX ? `${AHEAD_MAX} or more` : ahead} runs of its lane are ahead of it`
  return {
    ...base,
    reason: 'turn',
    ahead,
    until: run.expiresAt,
    sentence: `It is waiting for its turn in queue ${run.queue}; ${line}.`,
    details: { queue: run.queue },
  }
}

type Queued = { job: JobRow; base: Base; ahead: number }

/** Undefined when the throttle has room for it and all that are ahead of it. */
async function explainThrottled(ctx: Ctx, run: RunRow, { job, base, ahead }: Queued): Promise<Why | undefined> {
  const { throttle } = job.definition
  if (!throttle) return undefined
  const { limit, periodSecs } = throttle
  const key = throttle.key === null ? '' : run.concurrencyKey
  // Each start makes room for another one a period later: as many periods, and then the place among the counted starts.
  const skipped = (starts: number) => (ahead % limit) - (limit - starts)
  const { starts, freeAt } = await readThrottle(ctx.sql, { jobId: job.id, key, skipped })
  if (ahead < limit - starts) return undefined
  const firstMs = freeAt?.getTime() ?? ctx.nowMs()
  const until = new Date(firstMs + Math.floor(ahead / limit) * periodSecs * 1000)
  return {
    ...base,
    reason: 'throttle',
    ahead,
    until,
    sentence: `Its job is throttled to ${limit} starts per ${periodSecs} s${throttle.key === null ? '' : ' and key'}, of which ${starts} are used; it starts at ${iso(until)} at the earliest.`,
    details: { limit, period_secs: periodSecs, starts, ...(throttle.key !== null && { key }) },
  }
}

/** A polling worker asks more often than this. */
const SILENCE_MS_MAX = 60_000

/** Undefined when a worker is asking for the runs of its queue, or is executing some. */
async function explainUnasked(
  ctx: Pick<Ctx, 'sql'>,
  { queue, projectId }: RunRow,
  base: Base,
): Promise<Why | undefined> {
  const isDispatched = queue === HTTP_QUEUE
  const last = await readLastAsked(ctx.sql, { queue, projectId: isDispatched ? undefined : projectId })
  if (last.isWorkedOn || last.agoMs < SILENCE_MS_MAX) return undefined
  const who = isDispatched ? 'No node with the role engine dispatches runs' : `No worker claims from queue ${queue}`
  const since = last.at ? `the last one asked at ${iso(last.at)}` : 'none has asked within a day'
  return {
    ...base,
    reason: 'no_worker',
    sentence: `${who}: ${since}.`,
    details: { queue, asked_at: last.at ? iso(last.at) : null },
  }
}
