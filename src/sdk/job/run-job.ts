// One attempt at a run of a defined job: its payload is checked, its middleware goes around its code, its result is checked.

import { jsonText } from '../json.ts'
import type { Middleware } from '../steps/context.ts'
import { makeContext } from '../steps/make-context.ts'
import type { Handling } from '../worker/execute.ts'
import { AttemptFailed } from '../worker/lease.ts'
import type { RunnableJob } from './job.ts'
import { checkedValue, InvalidValue } from './value-schema.ts'

export type RunOptions = {
  /** Of the worker, around those of the job; what they add is theirs alone. */
  middleware?: readonly Middleware[]
}

export async function runJob(
  job: RunnableJob,
  handling: Handling<unknown>,
  { middleware = [] }: RunOptions = {},
): Promise<unknown> {
  const payload = await checkedValue(job.payload, handling.payload, 'payload').catch((error) => {
    throw asFailure(error)
  })
  const context = makeContext(handling, payload)
  const around: readonly Middleware[] = [...middleware, ...(job.middleware as readonly Middleware[])]
  try {
    const result = await through(around, context, () => job.run(context as never))
    const checked = await checkedValue(job.result, result, 'result')
    jsonText(checked, 'The result')
    return checked
  } catch (error) {
    throw asFailure(error)
  }
}

/** The first middleware is the outermost. */
function through(
  around: readonly Middleware[],
  context: ReturnType<typeof makeContext>,
  run: () => unknown,
): Promise<unknown> {
  const [first, ...rest] = around
  if (first === undefined) return Promise.resolve().then(run)
  let called = false
  return first(context, async (added) => {
    if (called) throw new Error('A middleware called next twice')
    called = true
    Object.assign(context, added)
    return through(rest, context, run)
  })
}

/** Another attempt with the same payload, event or answer, or the same code, would not help. */
const asFailure = (error: unknown): unknown =>
  error instanceof InvalidValue ? new AttemptFailed(error.message, { code: error.code, retryable: false }) : error
