// What a definition makes: a job for those who trigger it, and what its executors need.
import type { JobInput } from '#contract/job.ts'
import type { Triggers } from './trigger.ts'
import type { ValueSchema } from './value-schema.ts'

/** A job as one value: it triggers runs, and a worker that is given it executes them. */
export type Job<Input = unknown, Result = unknown> = Triggers<Input, Result> & {
  /** The slug of the job. */
  readonly name: string
  /** For workers; nothing that callers of `trigger` need. */
  readonly definition: RunnableJob
}

/** A job whatever its types are. */
// biome-ignore lint/suspicious/noExplicitAny: a list of jobs holds jobs of different payloads.
export type AnyJob = Job<any, any>

/** What workers and handlers need of a definition. */
export type RunnableJob = {
  name: string
  queue: string
  /** The fields that the definition sets; see register-jobs.ts. */
  wire: Partial<JobInput> & Pick<JobInput, 'slug' | 'execution'>
  payload: ValueSchema | undefined
  /** The fields that a child of this payload has by its definition; an invalid payload is refused. */
  childOf: (payload: unknown) => Promise<{ concurrency_key?: string }>
  result: ValueSchema | undefined
  /** What they are given is the context of the definition; see steps/context.ts. */
  middleware: readonly unknown[]
  run: (context: never) => unknown
}
