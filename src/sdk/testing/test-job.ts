// Runs a job in memory: no server, no clock, no network. Its attempts call a stand-in for the server that keeps what a run
// keeps, so a crash, a wait and a retry are what they are in production.
import type { AnyJob } from '../job/job.ts'
import { runJob } from '../job/run-job.ts'
import { checkedHere } from '../job/value-schema.ts'
import { endingOf } from '../worker/execute.ts'
import { makeLease } from '../worker/lease.ts'
import { Crash, fakeAttempt } from './fake-attempt.ts'
import {
  claimedOf,
  type FakeAnswer,
  type FakeOptions,
  type FakeRun,
  type GovernedCall,
  makeFakeRun,
  type Seen,
  wake,
} from './fake-run.ts'

/** How far the run has come. */
export type TestOutcome =
  | { status: 'completed'; result: unknown }
  | { status: 'failed'; error: string; code: string | undefined; retryable: boolean }
  /** For something that nobody has said: the name of a question, of a governed call or of a wait. */
  | { status: 'waiting'; for: string }
  | { status: 'returned' }
  | { status: 'crashed' }

/** A run in memory. Calls that return it can be chained. */
export type TestedJob = {
  /** Runs the job with this payload until it has ended, or waits for something that nobody has said. */
  run: (payload?: unknown) => Promise<TestOutcome>
  /** Goes on: with the next attempt after a crash or a failure, or after what the run waits for. */
  resume: () => Promise<TestOutcome>
  /** The process of the next attempt dies right after this step was kept. */
  crashAfter: (step: string) => TestedJob
  /** Answers a question, or decides about a governed call, by its name. */
  answer: (name: string, answer: FakeAnswer) => TestedJob
  /** Sends an event. */
  send: (eventKey: string, payload?: unknown) => TestedJob
  /** Moves the clock on, so that waits time out. */
  advance: (secs: number) => TestedJob
  /** The governed calls of a tool, with how they were decided and how they ended. */
  calls: (tool: string) => GovernedCall[]
  /** The text of a stream. */
  text: (stream?: string) => string
  /** What the code did besides its result. */
  seen: Seen
  /** Names of the steps that are done, in their order. */
  steps: () => string[]
  /** What the clock shows. */
  now: () => Date
}

const TURNS_MAX = 1_000

/**
 * Makes a run of a job in memory: no server, no network, and a clock that only moves with sleeps and `advance`.
 * Steps, waits, questions and crashes are what they are in production.
 */
export function testJob(job: AnyJob, options: FakeOptions = {}): TestedJob {
  const fake = makeFakeRun(job.name, options)
  let crashAfter: string | undefined

  async function resume(): Promise<TestOutcome> {
    wake(fake)
    for (let turns = 0; turns < TURNS_MAX; turns++) {
      const outcome = await turn(job, fake, crashAfter)
      if (outcome.status === 'crashed') crashAfter = undefined
      if (outcome.status === 'crashed' || outcome.status === 'failed') fake.attempt++
      if (outcome.status === 'failed') fake.previousError = outcome.error
      if (outcome.status !== 'waiting' || !wake(fake)) return outcome
    }
    throw new Error(`The run rested ${TURNS_MAX} times without an end`)
  }

  const tested: TestedJob = {
    run(payload = null) {
      fake.payload = payload
      return resume()
    },
    resume,
    crashAfter(step) {
      crashAfter = step
      return tested
    },
    answer(name, answer) {
      fake.answers.set(name, answer)
      const question = fake.questions.get(name)
      if (question) question.answer ??= answer
      return tested
    },
    send(eventKey, payload = null) {
      fake.events.set(eventKey, payload)
      return tested
    },
    advance(secs) {
      fake.nowMs += secs * 1000
      return tested
    },
    calls: (tool) => [...fake.governed.values()].filter((call) => call.tool === tool),
    text: (stream = 'default') => fake.chunks.get(stream) ?? '',
    seen: fake.seen,
    steps: () => [...fake.values.keys()].flatMap((key) => (key.startsWith('step:') ? [key.slice('step:'.length)] : [])),
    now: () => new Date(fake.nowMs),
  }
  return tested
}

/** One claim of the run, until it ends, rests or dies. */
async function turn(job: AnyJob, fake: FakeRun, crashAfter: string | undefined): Promise<TestOutcome> {
  const lease = makeLease(claimedOf(fake), Number.POSITIVE_INFINITY)
  let die: (outcome: TestOutcome) => void = () => {}
  const died = new Promise<TestOutcome>((resolve) => {
    die = resolve
  })
  const onCrash = () => die({ status: 'crashed' })
  const attempt = fakeAttempt(fake, { onRest: () => lease.tell('stop'), crashAfter, onCrash })
  const { run, payload, checkpoint, previous_error: previousError, traceparent } = lease.claimed
  const handling = { run, payload, checkpoint, previousError, traceparent, attempt, signal: lease.signal }
  // There is no server that would check JSON Schemas.
  const { payload: payloadSchema, result: resultSchema } = job.definition
  const checked = { ...job.definition, payload: checkedHere(payloadSchema), result: checkedHere(resultSchema) }
  const worked = runJob(checked, handling).then(
    (result): TestOutcome => ({ status: 'completed', result: result ?? null }),
    (error: unknown): TestOutcome => {
      if (error instanceof Crash) return { status: 'crashed' }
      if (fake.restsFor) return { status: 'waiting', for: fake.restsFor.name }
      const { outcome, error: message, error_code: code, retryable = true } = endingOf(lease, error)
      return outcome === 'returned'
        ? { status: 'returned' }
        : { status: 'failed', error: String(message), code, retryable }
    },
  )
  return Promise.race([died, worked])
}
