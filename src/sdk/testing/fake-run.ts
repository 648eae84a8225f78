// What a server keeps of one run, as far as the code of a job can tell, and what makes a resting run go on.
import type { authorizeOwnCall } from '#contract/authorizations.ts'
import type { Output } from '#contract/route.ts'
import type { Claimed } from '../worker/attempt.ts'

/**
 * What somebody answers: to a question with yes or no, or with `feedback`. `params` replaces those that may be
 * edited.
 */
export type FakeAnswer = { approved?: boolean; feedback?: unknown; params?: Record<string, unknown> }
export type Decision = 'allowed' | 'blocked' | 'asked'
/** The rules by which the server decides: `ok`, `tool_explicitly_blocked`, `approval_required` and so on. */
export type Reason = Output<typeof authorizeOwnCall>['reason']
/** A governed call. `reason` is the server's word for the decision, `outcome` how the call ended; null: not yet. */
export type GovernedCall = {
  tool: string
  args: unknown
  decision: Decision
  reason: Reason
  outcome: string | null
}

/** What the server says where the test only says how a call was decided. */
const USUAL_REASONS = {
  allowed: 'ok',
  blocked: 'tool_explicitly_blocked',
  asked: 'approval_required',
} as const satisfies Record<Decision, Reason>

/** Of a decision, or of the rule that decides. */
export function decided(by: Decision | Reason): Pick<GovernedCall, 'decision' | 'reason'> {
  if (by === 'allowed' || by === 'blocked' || by === 'asked') return { decision: by, reason: USUAL_REASONS[by] }
  const decision = by === 'ok' ? 'allowed' : by === 'approval_required' ? 'asked' : 'blocked'
  return { decision, reason: by }
}

/** What the world around a job in memory says. */
export type FakeOptions = {
  /** What people answer, by the name of the question or of the governed call. Without an answer the run waits. */
  answers?: Record<string, FakeAnswer>
  /** Payloads of events that have been sent, by their keys. */
  events?: Record<string, unknown>
  /** Results of children by name, or functions of their payload; a child without one does not end. */
  children?: Record<string, unknown>
  /**
   * Decides governed calls; everything is allowed unless it is set. It may name the rule that decides instead, such as
   * `max_actions_per_hour_exceeded`.
   */
  decide?: (call: { tool: string; args: unknown }) => Decision | Reason
  /** What the clock shows at first; sleeps move it on. */
  now?: Date
}

/** What the code of a job did besides its result. */
export type Seen = {
  logs: { level: string; message: string; data: unknown }[]
  progress: { percent: number; message: string | undefined }[]
  toolCalls: { tool_name: string; step?: string; status?: string; input?: unknown; output?: unknown }[]
  usage: Record<string, unknown>[]
  outputs: Map<string, unknown>
  children: { name: string; job: string; payload: unknown }[]
  questions: { name: string; prompt: string; params: Record<string, unknown> }[]
}

export type ChildEnd = { status: 'completed' | 'failed'; result: unknown; error: string | null }
export type FakeWait = { input: Record<string, unknown>; deadlineMs: number; outcome: object | undefined }
type Question = { answer: FakeAnswer | undefined; params: Record<string, unknown> }

export type FakeRun = {
  slug: string
  payload: unknown
  attempt: number
  previousError: string | null
  checkpoint: Claimed['checkpoint']
  nowMs: number
  values: Map<string, unknown>
  waits: Map<string, FakeWait>
  questions: Map<string, Question>
  childEnds: Map<string, ChildEnd>
  governed: Map<string, GovernedCall>
  chunks: Map<string, string>
  answers: Map<string, FakeAnswer>
  events: Map<string, unknown>
  children: Map<string, unknown>
  decide: NonNullable<FakeOptions['decide']>
  /** What the run rests for, in words. */
  restsFor: { kind: 'sleep' | 'wait' | 'question' | 'approval'; name: string } | undefined
  seen: Seen
}

const FIRST_MS = Date.UTC(2026, 0, 1)
const RUN_ID = '019a0000-0000-7000-8000-000000000001'

export function makeFakeRun(slug: string, options: FakeOptions): FakeRun {
  return {
    slug,
    payload: null,
    attempt: 1,
    previousError: null,
    checkpoint: null,
    nowMs: options.now?.getTime() ?? FIRST_MS,
    values: new Map(),
    waits: new Map(),
    questions: new Map(),
    childEnds: new Map(),
    governed: new Map(),
    chunks: new Map(),
    answers: new Map(Object.entries(options.answers ?? {})),
    events: new Map(Object.entries(options.events ?? {})),
    children: new Map(Object.entries(options.children ?? {})),
    decide: options.decide ?? (() => 'allowed'),
    restsFor: undefined,
    seen: { logs: [], progress: [], toolCalls: [], usage: [], outputs: new Map(), children: [], questions: [] },
  }
}

export const claimedOf = (fake: FakeRun): Claimed => ({
  run: {
    id: RUN_ID,
    job_id: '019a0000-0000-7000-8000-000000000002',
    job_slug: fake.slug,
    job_version: 1,
    attempt: fake.attempt,
    queue: fake.slug,
    priority: 0,
    correlation_id: RUN_ID,
    tags: {},
    metadata: {},
    agent_id: null,
    timeout_secs: 300,
    created_at: new Date(FIRST_MS).toISOString(),
  },
  payload: structuredClone(fake.payload),
  lease_token: RUN_ID,
  lease_expires_in_ms: 15_000,
  timeout_in_ms: 300_000,
  run_token: 'test',
  checkpoint: fake.checkpoint,
  previous_error: fake.previousError,
  traceparent: `00-${RUN_ID.replaceAll('-', '')}-0000000000000001-01`,
  preset: null,
  environment: {},
})

/** Lets happen what the run rests for, if it may: a sleep is over, a question with an answer is answered. */
export function wake(fake: FakeRun): boolean {
  const { restsFor } = fake
  fake.restsFor = undefined
  if (restsFor === undefined) return false
  const { kind, name } = restsFor
  if (kind === 'sleep') {
    fake.nowMs = Math.max(fake.nowMs, fake.waits.get(name)!.deadlineMs)
    return true
  }
  if (kind === 'wait') return outcomeOf(fake, fake.waits.get(name)!) !== undefined
  // The name of a governed call is made of its args; its tool stands for it.
  const answer = fake.answers.get(name) ?? fake.answers.get(fake.governed.get(name)?.tool ?? name)
  if (answer === undefined) return false
  fake.questions.get(name)!.answer = answer
  return true
}

type Item = { event_key?: string; run_id?: string }

/** Undefined while the wait goes on. Kept from then on: an event that it took is gone for others. */
export function outcomeOf(fake: FakeRun, wait: FakeWait): object | undefined {
  if (wait.outcome) return wait.outcome
  const { input, deadlineMs } = wait
  const over = fake.nowMs >= deadlineMs
  const base = { key: input.key, run_status: 'executing', until: new Date(deadlineMs).toISOString(), winner: null }
  const items = input.for as Item[] | undefined
  if (items === undefined) {
    if (over) wait.outcome = { ...base, status: 'done', items: [] }
    return wait.outcome
  }
  const done = items.map((item) => (item.run_id ? fake.childEnds.has(item.run_id) : fake.events.has(item.event_key!)))
  const winner = input.mode === 'any' ? done.indexOf(true) : -1
  const met = input.mode === 'any' ? winner >= 0 : done.every(Boolean)
  if (!met && !over) return undefined
  const ends = items.map((item, index) => {
    if (!done[index]) return { ...item, done: false }
    if (item.run_id) return { ...item, done: true, ...fake.childEnds.get(item.run_id) }
    const payload = fake.events.get(item.event_key!)
    return { ...item, done: true, payload }
  })
  for (const { event_key } of ends) if (event_key !== undefined) fake.events.delete(event_key)
  wait.outcome = {
    ...base,
    status: met ? 'done' : 'timed_out',
    winner: met && winner >= 0 ? winner : null,
    items: ends,
  }
  return wait.outcome
}
