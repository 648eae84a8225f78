// The calls of a running attempt, answered from memory.
import type { Attempt } from '../worker/attempt.ts'
import { AttemptStopped } from '../worker/lease.ts'
import { type ChildEnd, decided, type FakeRun, type GovernedCall, outcomeOf } from './fake-run.ts'

/** What a dead process does from then on: nothing. */
export class Crash extends Error {
  override readonly name = 'Crash'
}

type Options = {
  /** The run rests: the attempt has to stop. */
  onRest: () => void
  /** The attempt dies right after this step was kept. */
  crashAfter: string | undefined
  onCrash: () => void
}

const DAY_MS = 86_400_000

export function fakeAttempt(fake: FakeRun, { onRest, crashAfter, onCrash }: Options): Attempt {
  let dead = false
  const rest = (kind: NonNullable<FakeRun['restsFor']>['kind'], name: string) => {
    fake.restsFor = { kind, name }
    onRest()
  }
  const calls = { ...records(fake), ...values(fake), ...waits(fake, rest) }
  const known = new Map<string, (input: never) => unknown>(Object.entries(calls))
  const call = (name: string) => async (input: unknown) => {
    if (dead) throw new Crash()
    if (fake.restsFor) throw new AttemptStopped('stop')
    const answer = known.get(name)
    if (!answer) throw new Error(`testJob does not support attempt.${name}; use startTestServer`)
    const result = await answer(structuredClone(input ?? {}) as never)
    if (crashAfter !== undefined && name === 'setState' && (input as { key: string }).key === `step:${crashAfter}`) {
      dead = true
      onCrash()
      throw new Crash()
    }
    return result
  }
  return new Proxy({} as Attempt, { get: (_, name) => call(String(name)) })
}

function records(fake: FakeRun) {
  const { seen } = fake
  return {
    log: ({ level = 'info', message, data = null }) => void seen.logs.push({ level, message, data }),
    progress: ({ percent, message }) => void seen.progress.push({ percent, message }),
    toolCall: (call) => void seen.toolCalls.push(call),
    usage: (usage) => {
      seen.usage.push(usage)
      return usage
    },
    output: ({ output_key, key, value }) => void seen.outputs.set(output_key ?? key ?? '', value),
    annotate: () => undefined,
    checkpoint: ({ state }) => {
      const number = (fake.checkpoint?.number ?? 0) + 1
      fake.checkpoint = { number, state, created_at: new Date(fake.nowMs).toISOString() }
      return fake.checkpoint
    },
    stream: ({ chunk, stream_id = 'default' }) =>
      void fake.chunks.set(stream_id, (fake.chunks.get(stream_id) ?? '') + chunk),
  } satisfies Playing
}

function values(fake: FakeRun) {
  return {
    setState: ({ key, value }) => void fake.values.set(key, value),
    getState: ({ key }) => ({ key, value: fake.values.get(key) }),
    deleteState: ({ key }) => void fake.values.delete(key),
    listState: () => ({
      data: [...fake.values].map(([key, value]) => ({ key, value })),
      next_cursor: null,
      has_more: false,
    }),
  } satisfies Playing
}

/** The calls as the code makes them; the answers hold what the code reads. */
type Playing = { [Name in keyof Attempt]?: (input: Parameters<Attempt[Name]>[0] & { key?: string }) => unknown }

function waits(fake: FakeRun, rest: (kind: NonNullable<FakeRun['restsFor']>['kind'], name: string) => void) {
  return {
    spawn: async ({ job, payload, key }) => {
      const name = key ?? `child-${fake.seen.children.length + 1}`
      if (!fake.seen.children.some((child) => child.name === name)) {
        fake.seen.children.push({ name, job, payload })
        if (fake.children.has(name)) fake.childEnds.set(name, await endOfChild(fake.children.get(name), payload))
      }
      return { id: name }
    },
    beginWait: (input) => {
      const { key, sleep_secs, until, timeout_secs } = input
      const laterMs = (sleep_secs ?? timeout_secs ?? 1) * 1000
      const found = fake.waits.get(key) ?? {
        input: { ...input },
        deadlineMs:
          until !== undefined ? Date.parse(until) : fake.nowMs + (input.for && !timeout_secs ? DAY_MS : laterMs),
        outcome: undefined,
      }
      fake.waits.set(key, found)
      const outcome = outcomeOf(fake, found)
      if (outcome) return outcome
      rest(input.for ? 'wait' : 'sleep', key)
      return { key, status: 'waiting', items: [], winner: null }
    },
    ask: ({ key = '', prompt, params = {} }) => {
      const asked = fake.questions.get(key)
      if (!asked) {
        fake.questions.set(key, { answer: undefined, params })
        fake.seen.questions.push({ name: key, prompt, params })
      }
      if (!asked?.answer) {
        rest('question', key)
        return { status: 'pending', answer: null }
      }
      return { status: 'answered', answer: { ...asked.answer, params: { ...params, ...asked.answer.params } } }
    },
    authorize: ({ key, tool, args, wait = false }) => {
      const name = key ?? `${tool}-${fake.governed.size + 1}`
      const known = fake.governed.get(name) ?? { tool, args, ...decided(fake.decide({ tool, args })), outcome: null }
      fake.governed.set(name, known)
      if (known.decision !== 'asked') return decisionOf(name, known)
      const question = fake.questions.get(name) ?? { answer: undefined, params: {} }
      fake.questions.set(name, question)
      if (!question.answer) {
        if (!wait) return decisionOf(name, known)
        rest('approval', name)
        return { ...decisionOf(name, known), resting: true }
      }
      Object.assign(known, decided(question.answer.approved ? 'ok' : 'approval_denied'))
      const params = question.answer.params
      return { ...decisionOf(name, known), ...(params && { params: { ...(args as object), ...params } }) }
    },
    settle: ({ authorization_id, outcome = 'succeeded' }) => {
      const call = fake.governed.get(authorization_id)
      if (call) call.outcome = outcome
      return call
    },
    authorization: ({ authorization_id }) => decisionOf(authorization_id, fake.governed.get(authorization_id)!),
  } satisfies Playing
}

const decisionOf = (name: string, { decision, reason, outcome }: GovernedCall) => ({
  authorization_id: name,
  decision,
  reason,
  state: outcome ? 'settled' : stateOf({ decision, reason }),
  resting: false,
  params: null,
})

const stateOf = ({ decision, reason }: Pick<GovernedCall, 'decision' | 'reason'>) => {
  if (reason === 'approval_denied') return 'denied'
  return decision === 'allowed' ? 'reserved' : decision
}

async function endOfChild(end: unknown, payload: unknown): Promise<ChildEnd> {
  try {
    const result: unknown = typeof end === 'function' ? await end(payload) : end
    return { status: 'completed', result, error: null }
  } catch (error) {
    return { status: 'failed', result: null, error: error instanceof Error ? error.message : String(error) }
  }
}
