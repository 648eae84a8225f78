// Why a run is not progressing, as a sentence and as fields: for whoever is paged at night.

import { type InputRow, readInputsOfRuns } from '#agents/input-requests.sql.ts'
import type { Ctx } from '#bell/ctx.ts'
import { isOver, placeOf, type RunState } from '#core/run.ts'
import { cutText } from '#core/storable.ts'
import { readDependencyStandings } from '#jobs/dependencies.sql.ts'
import { jobsOf } from '#jobs/job-cache.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'
import { findLease } from '#runs/attempts/leases.sql.ts'
import { findDebounceOf } from '#runs/trigger/admission.sql.ts'
import { isDone, knownItems } from '#runs/waits/keyed-outcome.ts'
import { readItems } from '#runs/waits/wait-items.sql.ts'
import { findWait, type WaitRow } from '#runs/waits/waits.sql.ts'
import { explainQueued } from './explain-queued.ts'
import { type Base, iso, type Why } from './why.ts'

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
      return run.state === 'delayed' ? explainDelayed(ctx, run, base) : explainQueued(ctx, run, base)
    case 'lease':
      return explainLease(ctx, run, base)
    case 'wait':
      return explainWait(ctx, run, base)
    case 'rest':
      return { ...base, reason: 'paused', sentence: 'An operator paused it; resume it to continue.' }
  }
}

async function explainDelayed(ctx: Ctx, run: RunRow, base: Base): Promise<Why> {
  const debounce = run.attempt === 1 ? await findDebounceOf(ctx.sql, run.id) : undefined
  if (debounce) {
    const { triggers, beginsBy } = debounce
    return {
      ...base,
      reason: 'debounce',
      until: run.dueAt,
      sentence: `It is debounced: it starts at ${iso(run.dueAt)} unless it is triggered again, and at ${iso(beginsBy)} at the latest; ${triggers} ${triggers === 1 ? 'trigger' : 'triggers'} so far.`,
      details: { triggers, begun_at: iso(debounce.begunAt), begins_by: iso(beginsBy) },
    }
  }
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

const overSentence = (state: RunState, run: RunRow): string =>
  `It is ${state.replaceAll('_', ' ')} since ${iso(run.finishedAt ?? run.stateSince)}${run.error && state !== 'completed' ? `: ${run.error}` : ''}.`
