// Waits of a run that outlast its attempt: a sleep, an event, child runs. Each has a name, under which it is the same wait
// in every attempt: it begins once, rests the run, and is answered at once when the code comes by again.
import type { Input, Output } from '#contract/route.ts'
import type { spawnRun } from '#contract/runs/executor.ts'
import type { beginWait } from '#contract/runs/waits.ts'
import type { CamelFields } from '../job/camel-case.ts'
import type { Job } from '../job/job.ts'
import type { OutputOf, ValueSchema } from '../job/value-schema.ts'
import { AttemptFailed } from '../worker/lease.ts'

export const WAITABLE = Symbol('runyard.waitable')
export type Item = NonNullable<Input<typeof beginWait>['for']>[number]
export type ItemOutcome = Output<typeof beginWait>['items'][number]

export type Waitable<T> = {
  name: string
  isEvent: boolean
  /** Its own limit, where it is awaited by itself. */
  timeoutSecs: number | undefined
  begin: () => Promise<Item>
  valueOf: (done: ItemOutcome) => Promise<T>
}

/** Await it by itself, or together with others by `all`, `allSettled` or `any`. */
export type Wait<T> = PromiseLike<T> & { readonly [WAITABLE]: Waitable<T> }

export type Child<Result> = Wait<Result> & {
  /** Begins the child before it is waited for; returns its id. */
  start: () => Promise<string>
}

export type ChildOptions = CamelFields<
  Omit<Input<typeof spawnRun>, 'run_id' | 'job' | 'payload' | 'key' | 'await_completion' | 'await_timeout_secs'>
>

type EventOptions<Schema> = {
  /** Name of the wait; the key of the event unless set. */
  name?: string
  /** Seconds after which WaitTimedOut is thrown; a day unless set. Several waits together have one limit of their own. */
  timeoutSecs?: number
  /** What the payload of the event must be. */
  payload?: Schema
}

export type TogetherOptions = {
  /** Name of the wait; made of the names of its parts unless set. */
  name?: string
  /** Seconds after which it is over: a day if there are events among the parts, otherwise as long as the parts take. */
  timeoutSecs?: number
}

type Values<List extends readonly Wait<unknown>[]> = {
  -readonly [Index in keyof List]: List[Index] extends Wait<infer T> ? T : never
}
type Settled<List extends readonly Wait<unknown>[]> = {
  -readonly [Index in keyof List]: List[Index] extends Wait<infer T> ? PromiseSettledResult<T> : never
}

export type Waits = {
  /** Sleeps for seconds, or until a time, at most 366 days. The run rests meanwhile, and costs no slot of a worker. */
  sleep: (name: string, howLong: number | { until: Date | string }) => Promise<void>
  /** Waits for an event, which anybody sends with `client.sendEvent`. Its value is the payload. */
  waitFor: <Schema extends ValueSchema = ValueSchema>(
    eventKey: string,
    options?: EventOptions<Schema>,
  ) => Wait<ValueSchema extends Schema ? unknown : OutputOf<Schema>>
  /** Runs another job, or the same, as a child of this run. Its value is the result; ChildFailed when there is none. */
  child: {
    <Payload, Result>(name: string, job: Job<Payload, Result>, payload: Payload, options?: ChildOptions): Child<Result>
    (name: string, job: string, payload: unknown, options?: ChildOptions): Child<unknown>
  }
  /** Waits for all, and throws what the first of them throws that has no value. */
  all: <const List extends readonly Wait<unknown>[]>(list: List, options?: TogetherOptions) => Promise<Values<List>>
  /** Waits for all, and says of each what became of it. */
  allSettled: <const List extends readonly Wait<unknown>[]>(
    list: List,
    options?: TogetherOptions,
  ) => Promise<Settled<List>>
  /** Waits for the first; the others go on. */
  any: <T>(list: readonly Wait<T>[], options?: TogetherOptions) => Promise<{ index: number; value: T }>
}

/** Thrown where the code waits. Another attempt would find the same. */
export class WaitTimedOut extends AttemptFailed {
  override readonly name = 'WaitTimedOut'
  constructor(wait: string) {
    super(`The wait ${wait} timed out`, { code: 'wait_timeout', retryable: false })
  }
}

/** Thrown where the code waits for a child that did not complete. Another attempt would find the same child. */
export class ChildFailed extends AttemptFailed {
  override readonly name = 'ChildFailed'
  readonly runId: string
  readonly status: string
  constructor({ runId, status, error }: { runId: string; status: string; error: string | null }) {
    super(`Child run ${runId} ended as ${status}${error ? `: ${error}` : ''}`, {
      code: 'child_failed',
      retryable: false,
    })
    this.runId = runId
    this.status = status
  }
}
