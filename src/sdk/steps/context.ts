// What the code of a job is given. Everything can be taken out of it: `run({ payload, step, ask })`.
import type { Attempt, Claimed } from '../worker/attempt.ts'
import type { Questions } from './ask.ts'
import type { Step } from './step.ts'
import type { Streams } from './stream.ts'
import type { Waits } from './wait.ts'

/** What the code of a job is given. All of it can be taken out: `run({ payload, step, ask })`. */
export type JobContext<Payload> = Streams &
  Waits &
  Questions & {
    /** The run: its id, job, attempt, tags and so on. */
    run: Claimed['run']
    payload: Payload
    /** Aborted with an AttemptStopped when this attempt has to stop; pass it on to whatever takes it. */
    signal: AbortSignal
    /** The trace that the run belongs to, to be sent on as the `traceparent` header of calls. */
    traceparent: string
    /** The error of the previous attempt. */
    previousError: string | null
    /**
     * Does something once in the life of the run: its result is kept, and every later attempt gets it without doing it
     * again. Names are unique within the run. Code outside of steps runs again with each attempt.
     */
    step: Step
    /** Names of the steps that were finished before. */
    finishedSteps: () => Promise<string[]>
    progress: (percent: number, message?: string, more?: { step?: string; etaSecs?: number }) => Promise<void>
    log: (message: string, data?: unknown, more?: { level?: LogLevel; type?: string }) => Promise<void>
    /** The calls of a running attempt as the API has them. */
    attempt: Attempt
    /** The latest checkpoint, for jobs that keep their own state instead of steps. */
    checkpoint: Claimed['checkpoint']
  }

type LogLevel = NonNullable<Parameters<Attempt['log']>[0]['level']>

/**
 * Goes around each attempt. It calls `next` once, with what it adds to the context, and returns or changes the result:
 * `async (context, next) => { const db = await open(); try { return await next({ db }) } finally { await db.close() } }`
 */
export type Middleware<Added extends object = Record<never, never>> = (
  context: JobContext<unknown>,
  next: (...added: Record<never, never> extends Added ? [added?: Added] : [added: Added]) => Promise<unknown>,
) => Promise<unknown>

/** What a list of middleware adds to the context. */
export type AddedBy<List extends readonly unknown[]> = List extends readonly [Middleware<infer Added>, ...infer Rest]
  ? Added & AddedBy<Rest>
  : unknown
