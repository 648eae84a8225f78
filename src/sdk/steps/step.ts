// A step: done once, recorded, and remembered.
import type { Jsonified } from '../json.ts'
import type { Attempt, Claimed } from '../worker/attempt.ts'
import { AttemptStopped, ReturnRun } from '../worker/lease.ts'
import type { Memory } from './memory.ts'
import type { Names } from './names.ts'

type StepCall = {
  /** The same in every attempt: for systems that drop what they were asked for before. */
  idempotencyKey: string
  signal: AbortSignal
}

export type StepOptions<Result> = {
  /** What the record of the step calls it; its name unless set. */
  tool?: string
  /** Recorded with the step, for whoever looks at the run. */
  input?: unknown
  /** What is recorded of the result; nothing unless set, because the result itself is kept. */
  output?: (result: Jsonified<Result>) => unknown
  /** How the record says that it ended; `completed` unless set. */
  status?: (result: Jsonified<Result>) => string
}

export type Step = <Result>(
  name: string,
  work: (call: StepCall) => Promise<Result> | Result,
  options?: StepOptions<Result>,
) => Promise<Jsonified<Result>>

type Stepping = { attempt: Attempt; run: Claimed['run']; signal: AbortSignal; memory: Memory; names: Names }

export function makeStep({ attempt, run, signal, memory, names }: Stepping): Step {
  return async (name, work, { tool = name, input, output, status } = {}) => {
    names.take(name)
    const kept = await memory.read(name)
    if (kept) return kept.result as never
    signal.throwIfAborted()
    const beganMs = performance.now()
    const record = (ending: { status: string; output?: unknown }) =>
      attempt.toolCall({
        tool_name: tool,
        step: name,
        duration_ms: msSince(beganMs),
        ...(input !== undefined && { input }),
        ...ending,
      })
    let result: unknown
    try {
      result = await work({ idempotencyKey: `${run.id}:${name}`, signal })
    } catch (error) {
      names.release(name)
      // Being told to stop, or having nothing to do for now, is no failure of the step.
      if (!signal.aborted && !(error instanceof ReturnRun) && !(error instanceof AttemptStopped)) {
        const message = error instanceof Error ? error.message : String(error)
        // What the step threw is what the attempt fails with, recorded or not.
        await record({ status: 'failed', output: { error: message } }).catch(() => {})
      }
      throw error
    }
    const stored = (await memory.keep(name, result)) as never
    const told = output?.(stored)
    await record({ status: status?.(stored) ?? 'completed', ...(told !== undefined && { output: told }) })
    return stored
  }
}

/** To the microsecond: what is beyond it is noise. */
const msSince = (beganMs: number): number => Math.round((performance.now() - beganMs) * 1000) / 1000
