// A job as one value: its schema, its settings and its code. Whoever imports it triggers runs that are checked and
// typed by it; a worker that is given it executes them.
import type { Jsonified } from '../json.ts'
import type { AddedBy, JobContext, Middleware } from '../steps/context.ts'
import type { Job, RunnableJob } from './job.ts'
import { checkSettings, type JobSettings, wireSettings } from './job-settings.ts'
import { triggersOf } from './trigger.ts'
import {
  checkedValue,
  type InputOf,
  isValueSchema,
  jsonSchemaOf,
  type OutputOf,
  type ValueSchema,
} from './value-schema.ts'

// biome-ignore lint/suspicious/noExplicitAny: what a middleware is given depends on its job; here any of them fits.
type AnyMiddleware = Middleware<any>

/** What a job is made of: its schemas, its settings and its code. */
export type JobDefinition<Payload extends ValueSchema, Result, Added extends readonly AnyMiddleware[]> = JobSettings & {
  /** A Standard Schema (Zod, Valibot, ArkType and others) or a JSON Schema (TypeBox); any JSON unless it is set. */
  payload?: Payload
  /** The same for the result: checked before the run completes. */
  result?: ValueSchema
  /** Runs with the same key share maxConcurrencyPerKey. Set by `trigger`, so not for runs of cron or the plain API. */
  concurrencyKey?: (payload: InputOf<Payload>) => string | undefined
  /** The agent that the runs act for; set by `trigger` as well. */
  agent?: string
  /** Around each attempt, the first outermost; what they pass to `next` is part of the handler's context. */
  middleware?: Added
  /** Executes a run. What it returns is the result, what it throws the failure of the attempt. */
  run: (context: JobContext<OutputOf<Payload>> & AddedBy<Added>) => Promise<Result> | Result
}

/**
 * Defines a job. The name is its slug: up to 63 lower-case letters, digits, hyphens and underscores. Throws
 * TypeError for a name, a setting or a schema that cannot be; nothing is sent.
 */
export function defineJob<
  Payload extends ValueSchema = Record<never, never>,
  Result = unknown,
  const Added extends readonly AnyMiddleware[] = readonly [],
>(name: string, definition: JobDefinition<Payload, Result, Added>): Job<InputOf<Payload>, Jsonified<Result>> {
  const { payload, result, concurrencyKey, agent, middleware = [], run, ...settings } = definition
  checkSettings(name, settings)
  if (typeof run !== 'function') throw new TypeError(`Job ${name} needs a function as run`)
  for (const [field, schema] of Object.entries({ payload, result })) {
    if (schema !== undefined && !isValueSchema(schema)) throw new TypeError(`Job ${name}: ${field} must be a schema`)
  }
  const queue = settings.queue ?? name
  return {
    name,
    definition: {
      name,
      queue,
      wire: {
        ...wireSettings(settings as JobSettings),
        slug: name,
        execution: settings.endpointUrl == null ? 'worker' : 'http',
        queue,
        payload_schema: jsonSchemaOf(payload, 'input') ?? null,
        result_schema: jsonSchemaOf(result, 'output') ?? null,
      },
      payload,
      async childOf(value) {
        await checkedValue(payload, value, 'payload')
        const concurrency_key = concurrencyKey?.(value as InputOf<Payload>)
        return concurrency_key === undefined ? {} : { concurrency_key }
      },
      result,
      middleware,
      // A worker gives it what its definition asks for.
      run: run as unknown as RunnableJob['run'],
    },
    ...triggersOf<InputOf<Payload>, Jsonified<Result>>({ name, payload, concurrencyKey, agent }),
  }
}
