// Why a run is not progressing, as a sentence and as fields: for whoever is paged at night.

import { findAgent } from '#agents/agents.sql.ts'
import { type InputRow, readInputsOfRuns } from '#agents/input-requests.sql.ts'
import type { Ctx } from '#bell/ctx.ts'
import { HTTP_QUEUE } from '#core/queue.ts'
import { isOver, placeOf, type RunState } from '#core/run.ts'
import { cutText } from '#core/storable.ts'
import { readDependencyStandings } from '#jobs/dependencies.sql.ts'
import { jobsOf } from '#jobs/job-cache.ts'
import { findJob } from '#jobs/jobs.sql.ts'
import { readLastAsked } from '#run-state/claim/queue-claimers.sql.ts'
import { countLeases, findQueuePlace } from '#run-state/claim/queue-place.sql.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'
import { findLease } from '#runs/attempts/leases.sql.ts'
import { isDone, knownItems } from '#runs/waits/keyed-outcome.ts'
import { readItems } from '#runs/waits/wait-items.sql.ts'
import { findWait, type WaitRow } from '#runs/waits/waits.sql.ts'

export type WhyReason =
  | 'over'
  | 'turn'
  | 'no_worker'
  | 'time'
  | 'retry'
  | 'lease'
  | 'wait'
  | 'paused'
  | 'job_paused'
  | 'concurrency'
  | 'agent_disabled'
  | 'external'
  | 'dead_letter'

export type Why = {
  reason: WhyReason
  sentence: string
  since: Date
  owner: string | null
  until: Date | null
  /** Runs of its lane that are due before it, counted up to a limit. */
  ahead: number | null
  details: Record<string, unknown>
}

/** Counting further would cost more than it tells. */
export const AHEAD_MAX = 1_000

export async function explainRun(ctx: Ctx, run: RunRow): Promise<Why> {
  const base = { since: run.stateSince, owner: null, until: null, ahead: null, details: {} }
  if (run.state === 'dead_letter') {
    return {
      ...base,
      reason: 'dead_letter',
      sentence: `Attempt ${run.attempt} of ${run.maxAttempts} failed and is not retried; redrive or dismiss the run. Last error: ${run.error ?? 'none'}.`,
      details: { error: run.error, error_code: run.errorCode },
    }
  }
  if (isOver(run.state))
    return {
      ...base,
      reason: 'over',
      sentence: overSentence(run.state, run),
      details: { error: run.error, error_code: run.errorCode },
    }
  switch (placeOf(run.state)) {
    case 'queue':
      return run.state === 'delayed' ? explainDelayed(run, base) : explainQueued(ctx, run, base)
    case 'lease':
      return explainLease(ctx, run, base)
    case 'wait':
      return explainWait(ctx, run, base)
    case 'rest':
      return { ...base, reason: 'paused', sentence: 'An operator paused it; resume it to continue.' }
  }
}

function explainDelayed(run: RunRow, base: Base): Why {
  if (run.attempt === 1)
    return { ...base, reason: 'time', until: run.dueAt, sentence: `It is scheduled for ${iso(run.dueAt)}.` }
  return {
    ...base,
    reason: 'retry',
    until: run.dueAt,
    sentence: `Attempt ${run.attempt - 1} of ${run.maxAttempts} failed; attempt ${run.attempt} starts at ${iso(run.dueAt)}.`,
    details: { error: run.error, error_code: run.errorCode },
  }
}

type Base = Omit<Why, 'reason' | 'sentence'>

async function explainWait(ctx: Ctx, run: RunRow, base: Base): Promise<Why> {
  const wait = await findWait(ctx.sql, run.id)
  if (!wait) return { ...base, reason: 'wait', sentence: 'What it was waiting for has just arrived.' }
  const about = { ...base, reason: 'wait' as const, until: wait.expiresAt }
  switch (wait.kind) {
    case 'event':
      return {
        ...about,
        sentence: `It is waiting for the event ${wait.eventKey} to be sent.`,
        details: { for: 'event', event_key: wait.eventKey },
      }
    case 'child':
      return {
        ...about,
        sentence: `It is waiting for its child ${wait.childRunId}.`,
        details: { for: 'child', child_run_id: wait.childRunId },
      }
    case 'input': {
      const pending = (await readInputsOfRuns(ctx.sql, [run.id])).filter((it) => it.state === 'pending')
      return {
        ...about,
        sentence: `It is waiting for ${assigneesOf(pending)} to answer: ${pending.map((it) => cutText(it.prompt, 200)).join(' / ')}`,
        details: {
          for: 'input',
          input_request_ids: pending.map((it) => it.id),
          assignees: [...new Set(pending.flatMap((it) => it.assignee ?? []))],
        },
      }
    }
    case 'sleep':
      return {
        ...about,
        until: wait.checkAt,
        sentence: `It sleeps until ${iso(wait.checkAt)}.`,
        details: { for: 'sleep', key: wait.key },
      }
    case 'items':
      return { ...about, ...(await explainItems(ctx, run, wait)) }
    case 'dependencies': {
      const unmet = (await readDependencyStandings(ctx.sql, wait.jobId!, wait.matchKey)).filter((it) => !it.met)
      const jobs = await Promise.all(unmet.map(async (it) => (await jobsOf(ctx).ofRun(it.dependsOnJobId)).slug))
      return {
        ...about,
        sentence: `It is waiting for runs of the jobs ${jobs.join(', ') || 'that its job depends on'}.`,
        details: { for: 'dependencies', jobs },
      }
    }
  }
}

/** Whoever they are for; somebody, where a question is for nobody in particular. */
function assigneesOf(pending: readonly InputRow[]): string {
  const names = [...new Set(pending.map((it) => it.assignee ?? 'somebody'))]
  return names.length > 0 ? names.join(' and ') : 'somebody'
}

const ITEMS_SHOWN_MAX = 10

async function explainItems(ctx: Ctx, run: RunRow, { key, mode }: WaitRow): Promise<Pick<Why, 'sentence' | 'details'>> {
  const items = await knownItems(ctx.sql, await readItems(ctx.sql, run.id))
  const open = items.filter((item) => !isDone(item))
  const names = open.slice(0, ITEMS_SHOWN_MAX).map(({ eventKey, run }) => eventKey ?? `run ${run!.publicId}`)
  const more = open.length > names.length ? ` and ${open.length - names.length} more` : ''
  const many = open.length > 1 ? (mode === 'any' ? 'any of ' : 'all of ') : ''
  const events = open.flatMap(({ eventKey }) => eventKey ?? [])
  return {
    sentence: `It is waiting for ${many}${names.join(', ')}${more}${items.length > open.length ? `; ${items.length - open.length} of ${items.length} are done` : ''}.`,
    details: {
      for: 'items',
      key,
      mode,
      done: items.length - open.length,
      items: items.length,
      event_keys: events.slice(0, ITEMS_SHOWN_MAX),
      run_ids: open.flatMap(({ run }) => run?.publicId ?? []).slice(0, ITEMS_SHOWN_MAX),
    },
  }
}

async function explainLease(ctx: Ctx, run: RunRow, base: Base): Promise<Why> {
  if (run.execution === 'external')
    return {
      ...base,
      reason: 'external',
      sentence: 'It is executed externally, which reports its events; nothing is due here.',
    }
  const lease = await findLease(ctx.sql, run.id)
  if (!lease) return { ...base, reason: 'lease', sentence: 'Its attempt has just ended.' }
  const told = lease.told === 'pause' ? ' It was asked to pause.' : ''
  const begun =
    run.state === 'dequeued' ? 'holds it in its buffer' : `executes attempt ${run.attempt} of ${run.maxAttempts}`
  return {
    ...base,
    reason: 'lease',
    owner: lease.owner,
    until: lease.expiresAt,
    sentence: `${lease.owner} ${begun}; last heard of at ${iso(lease.heartbeatAt)}.${told}`,
    details: {
      claimed_at: iso(lease.claimedAt),
      heartbeat_at: iso(lease.heartbeatAt),
      deadline_at: iso(lease.deadlineAt),
      told: lease.told,
    },
  }
}

async function explainQueued(ctx: Ctx, run: RunRow, base: Base): Promise<Why> {
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

const iso = (at: Date | null): string => at?.toISOString() ?? 'an unknown time'

const overSentence = (state: RunState, run: RunRow): string =>
  `It is ${state.replaceAll('_', ' ')} since ${iso(run.finishedAt ?? run.stateSince)}${run.error && state !== 'completed' ? `: ${run.error}` : ''}.`
