// Triggers runs of a job, and waits for what becomes of them.
import type { Event } from '#contract/event.ts'
import type { Input, Output } from '#contract/route.ts'
import type { getRun, triggerRun, triggerRuns } from '#contract/runs/runs.ts'
import type { Client } from '../client.ts'
import { RunyardError } from '../error.ts'
import { type CamelFields, wireFields } from './camel-case.ts'
import { RunFailed } from './run-failed.ts'
import { checkedValue, InvalidValue, type ValueSchema } from './value-schema.ts'

/** A run as the API returns it; see `Run` in its reference. Names are those of the API. */
export type Run = Output<typeof triggerRun>
type RunFields = CamelFields<Omit<Input<typeof triggerRun>, 'job' | 'payload'>>
/** The fields of a run in the API, in camelCase. */
export type TriggerOptions = RunFields & { signal?: AbortSignal }

/** How a run is triggered and waited for. */
export type WaitOptions = TriggerOptions & {
  /** How long to wait; the run goes on after it. For ever unless it is set. */
  waitSecs?: number
}

/** How a run ended. */
export type Outcome<Result> =
  | { ok: true; run: EndedRun; result: Result; unwrap: () => Result }
  | { ok: false; run: EndedRun; error: RunFailed; unwrap: () => never }
type EndedRun = Output<typeof getRun>

/** What became of one item of `triggerMany`. */
export type Triggered =
  | { ok: true; run: { id: string; status: string }; replayed: boolean; debounced: boolean }
  | { ok: false; error: { code: string; message: string; details?: Record<string, unknown> } }

export type Triggers<Payload, Result> = {
  /** Triggers a run. An invalid payload is refused (InvalidValue) before anything is sent. */
  trigger: (client: Client, payload: Payload, options?: TriggerOptions) => Promise<Run>
  /**
   * Triggers a run and waits until it has ended; `unwrap()` of the outcome is its result, or throws RunFailed. When it
   * cannot be waited for, `details.run_id` of the error says which run goes on.
   */
  triggerAndWait: (client: Client, payload: Payload, options?: WaitOptions) => Promise<Outcome<Result>>
  /**
   * Triggers any number of runs, 500 to a call. The answers come in order; a refused item does not affect the others.
   * When a later call fails, `details.triggered` of its error holds the answers until then. A call whose reply is lost is
   * repeated if each of its items has an idempotency key.
   */
  triggerMany: (client: Client, items: readonly Item<Payload>[]) => Promise<Triggered[]>
  /** Waits until a run of this job, triggered earlier, has ended. */
  wait: (
    client: Client,
    runId: string,
    options?: { signal?: AbortSignal; waitSecs?: number },
  ) => Promise<Outcome<Result>>
}
/** One item of `triggerMany`: the payload, and the fields of the run beside it. */
export type Item<Payload> = RunFields & { payload: Payload }

type BatchItem = Output<typeof triggerRuns>['results'][number]

type TriggerDefinition<Payload> = {
  name: string
  payload: ValueSchema | undefined
  concurrencyKey: ((payload: Payload) => string | undefined) | undefined
  agent: string | undefined
}

const ITEMS_MAX = 500
/** Under the 16 MiB that the server reads. */
const BODY_LENGTH_MAX = 4 * 1024 * 1024

export function triggersOf<Payload, Result>(job: TriggerDefinition<Payload>): Triggers<Payload, Result> {
  const itemOf = (payload: Payload, options: RunFields) => {
    const concurrency_key = job.concurrencyKey?.(payload)
    return {
      ...(concurrency_key !== undefined && { concurrency_key }),
      ...(job.agent !== undefined && { agent_id: job.agent }),
      ...wireFields(options),
      payload,
    }
  }

  async function trigger(client: Client, payload: Payload, { signal, ...options }: TriggerOptions = {}) {
    await checkedValue(job.payload, payload, 'payload')
    return client.triggerRun({ job: job.name, ...itemOf(payload, options) }, { ...(signal && { signal }) })
  }

  return {
    trigger,
    async triggerAndWait(client, payload, { waitSecs, ...options } = {}) {
      checkWait(waitSecs)
      const { id } = await trigger(client, payload, options)
      return outcomeOf<Result>(client, id, { waitSecs, signal: options.signal }).catch((error) => {
        throw withDetails(error, { run_id: id })
      })
    },
    async triggerMany(client, items) {
      const problems = await Promise.all(
        items.map(({ payload }, index) =>
          checkedValue(job.payload, payload, 'payload').then(() => [], issuesOf(index)),
        ),
      )
      if (problems.some((issues) => issues.length > 0)) throw new InvalidValue('payload', problems.flat())
      const wire = items.map(({ payload, ...options }) => itemOf(payload, options as RunFields))
      const triggered: Triggered[] = []
      for (const some of slicesOf(wire)) {
        const repeatable = some.every((item) => 'idempotency_key' in item)
        const { results } = await client.triggerRuns({ job: job.name, items: some }, { repeatable }).catch((error) => {
          throw triggered.length === 0 ? error : withDetails(error, { triggered })
        })
        triggered.push(...results.map(triggeredOf))
      }
      return triggered
    },
    wait: (client, runId, options = {}) => outcomeOf<Result>(client, runId, options),
  }
}

const issuesOf = (index: number) => (error: unknown) => {
  if (!(error instanceof InvalidValue)) throw error
  return error.issues.map(({ path, message }) => ({
    path: `[${index}]${path === '' || path.startsWith('[') ? '' : '.'}${path}`,
    message,
  }))
}

/** As many as one call may hold, by number and by length. */
function* slicesOf<T>(items: readonly T[]): Generator<T[]> {
  let slice: T[] = []
  let length = 0
  for (const item of items) {
    const itemLength = JSON.stringify(item).length
    if (slice.length === ITEMS_MAX || (slice.length > 0 && length + itemLength > BODY_LENGTH_MAX)) {
      yield slice
      slice = []
      length = 0
    }
    slice.push(item)
    length += itemLength
  }
  if (slice.length > 0) yield slice
}

/** What was triggered before is not lost with the call that failed. */
function withDetails(error: unknown, more: Record<string, unknown>): unknown {
  if (!(error instanceof RunyardError)) return error
  const { status, code, message, details, requestId, retryAfterMs } = error
  return new RunyardError({
    status,
    code,
    message,
    details: { ...details, ...more },
    ...(requestId !== undefined && { requestId }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    cause: error,
  })
}

function triggeredOf({ status, run, error }: BatchItem): Triggered {
  if (run) return { ok: true, run, replayed: status === 'replayed', debounced: status === 'debounced' }
  const { code = 'refused', message = 'The item was refused', details } = error ?? {}
  return { ok: false, error: { code, message, ...(details && { details }) } }
}

type Waiting = { waitSecs?: number | undefined; signal?: AbortSignal | undefined }

async function outcomeOf<Result>(client: Client, runId: string, options: Waiting): Promise<Outcome<Result>> {
  await untilEnded(client, runId, options)
  const run = await client.getRun({ run_id: runId })
  if (run.status === 'completed') {
    const result = run.result as Result
    return { ok: true, run, result, unwrap: () => result }
  }
  const error = new RunFailed(run)
  return {
    ok: false,
    run,
    error,
    unwrap: () => {
      throw error
    },
  }
}

/** What a timer of JavaScript holds; a longer one would end at once. */
const WAIT_SECS_MAX = 2_147_483

function checkWait(waitSecs: number | undefined): void {
  if (waitSecs === undefined || (waitSecs >= 0 && waitSecs <= WAIT_SECS_MAX)) return
  throw new RangeError(
    `waitSecs must be a number from 0 to ${WAIT_SECS_MAX}, not ${waitSecs}; leave it out to wait for ever`,
  )
}

async function untilEnded(client: Client, runId: string, { waitSecs, signal }: Waiting): Promise<void> {
  checkWait(waitSecs)
  const late = waitSecs === undefined ? undefined : AbortSignal.timeout(Math.ceil(waitSecs * 1000))
  const signals = [signal, late].filter((it) => it !== undefined)
  try {
    const events: AsyncIterable<Event> = client.follow(runId, {
      deltas: false,
      ...(signals.length > 0 && { signal: AbortSignal.any(signals) }),
    })
    for await (const _ of events);
  } catch (error) {
    if (!late?.aborted || signal?.aborted) throw error
    const message = `Run ${runId} has not ended within ${waitSecs} seconds`
    throw new RunyardError({ status: 0, code: 'timeout', message, cause: error, details: { run_id: runId } })
  }
}
