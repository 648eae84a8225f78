// What a running attempt may call, for handlers: the routes of the contract with the run's id and token
// filled in.
import * as authorizations from '#contract/authorizations.ts'
import * as inputs from '#contract/inputs.ts'
import type { Input, Output, Route } from '#contract/route.ts'
import * as executor from '#contract/runs/executor.ts'
import * as runs from '#contract/runs/runs.ts'
import * as values from '#contract/runs/values.ts'
import * as waits from '#contract/runs/waits.ts'
import type { claimRuns } from '#contract/runs/workers.ts'
import type { CallOptions } from '../call.ts'
import type { Calls, Client } from '../client.ts'
import { RunyardError } from '../error.ts'

const ATTEMPT_CALLS = {
  progress: executor.reportProgress,
  log: executor.writeLog,
  checkpoint: executor.writeCheckpoint,
  toolCall: executor.recordToolCall,
  usage: executor.recordUsage,
  output: executor.writeOutput,
  spawn: executor.spawnRun,
  continue: waits.continueRun,
  waitForEvent: waits.waitForEvent,
  beginWait: waits.beginWait,
  ask: inputs.askForInput,
  inputs: inputs.listRunInputs,
  authorize: authorizations.authorizeOwnCall,
  settle: authorizations.settleOwnCall,
  authorization: authorizations.getOwnAuthorization,
  stream: executor.writeChunk,
  annotate: executor.annotateRun,
  children: runs.listChildren,
  setState: values.setState,
  getState: values.getState,
  listState: values.listState,
  deleteState: values.deleteState,
} as const satisfies Record<string, Route & { name: keyof Calls }>

// A call whose reply was lost is retried until a restarting node is back. It may then be recorded twice, but failing
// the attempt instead would do all of its work again, and record that twice. Only a run must not be created twice: a
// spawn is retried when it has an idempotency key.
const RETRIES_MAX = 8
const NOT_TWICE: ReadonlySet<string> = new Set(['spawn', 'continue', 'waitForEvent', 'ask', 'authorize', 'settle'])

type Answer = { status?: unknown; resting?: unknown } | undefined

/** Whether the run rests after this answer, so that the attempt has nothing more to do. */
function putsToRest(name: string, input: object, answer: Answer): boolean {
  switch (name) {
    case 'waitForEvent':
      return true
    case 'beginWait':
      return answer?.status === 'waiting'
    case 'ask':
      return !('wait' in input && input.wait === false) && answer?.status === 'pending'
    case 'authorize':
      return answer?.resting === true
    case 'spawn':
      return 'await_completion' in input && input.await_completion === true
    default:
      return false
  }
}

type AttemptCall<R extends Route> =
  Record<never, never> extends Omit<Input<R>, 'run_id'>
    ? (input?: Omit<Input<R>, 'run_id'>, options?: CallOptions) => Promise<Output<R>>
    : (input: Omit<Input<R>, 'run_id'>, options?: CallOptions) => Promise<Output<R>>

/**
 * The calls of a running attempt, with its run and its token filled in: progress, checkpoints, steps, waits,
 * questions and so on, as the routes of the API below `/v1/runs/{run_id}`. They reject with AttemptStopped once the
 * attempt has lost its run.
 */
export type Attempt = { [Name in keyof typeof ATTEMPT_CALLS]: AttemptCall<(typeof ATTEMPT_CALLS)[Name]> } & {
  /** A child of this run, with its payload and result. */
  readChild: (childId: string, options?: CallOptions) => Promise<Output<typeof runs.getRun>>
}

export type Claimed = Output<typeof claimRuns>['runs'][number]

/** `onStale` is called when the lease is lost: another attempt, or nobody, has the run now, or it is suspended. */
export function makeAttempt(client: Client, { run, run_token }: Claimed, onStale: () => void): Attempt {
  const own = client.as(run_token)
  const calls = Object.entries(ATTEMPT_CALLS).map(([name, route]) => {
    const call = own[route.name] as (input: object, options: CallOptions) => Promise<unknown>
    return [
      name,
      (input: object = {}, options: CallOptions = {}) =>
        call(
          { ...input, run_id: run.id },
          { retriesMax: RETRIES_MAX, repeatable: !NOT_TWICE.has(name) || 'key' in input, ...options },
        ).then(
          (answer) => {
            // The run is suspended now, and its lease has ended: the handler has nothing more to do.
            if (putsToRest(name, input, answer as Answer)) onStale()
            return answer
          },
          (error: unknown) => {
            if (error instanceof RunyardError && isStale(error)) onStale()
            throw error
          },
        ),
    ]
  })
  const readChild: Attempt['readChild'] = (childId, options = {}) =>
    own.getRun({ run_id: childId }, { retriesMax: RETRIES_MAX, ...options })
  return { ...(Object.fromEntries(calls) as Omit<Attempt, 'readChild'>), readChild }
}

const isStale = ({ code }: RunyardError): boolean => code === 'stale_lease' || code === 'run_over'
