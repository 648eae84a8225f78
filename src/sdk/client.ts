// The client: one method for each route of the contract, under the route's name. A new route of the
// contract needs no code here.
import * as access from '#contract/access.ts'
import * as agents from '#contract/agents.ts'
import * as alertChannels from '#contract/alerts/channels.ts'
import * as alertRules from '#contract/alerts/rules.ts'
import * as authorizations from '#contract/authorizations.ts'
import * as chains from '#contract/chains.ts'
import * as dependencies from '#contract/dependencies.ts'
import type { Event } from '#contract/event.ts'
import * as events from '#contract/events.ts'
import * as files from '#contract/files.ts'
import * as find from '#contract/find.ts'
import * as hooks from '#contract/hooks.ts'
import * as inputs from '#contract/inputs.ts'
import * as jobs from '#contract/jobs.ts'
import * as operations from '#contract/operations.ts'
import * as sessions from '#contract/people/sessions.ts'
import * as users from '#contract/people/users.ts'
import * as presets from '#contract/presets.ts'
import type { Input, Output, Route } from '#contract/route.ts'
import * as batches from '#contract/runs/batches.ts'
import * as bulk from '#contract/runs/bulk.ts'
import * as debug from '#contract/runs/debug.ts'
import * as endings from '#contract/runs/endings.ts'
import * as ends from '#contract/runs/ends.ts'
import * as executor from '#contract/runs/executor.ts'
import * as records from '#contract/runs/records.ts'
import * as runControls from '#contract/runs/run-controls.ts'
import * as runs from '#contract/runs/runs.ts'
import * as timeline from '#contract/runs/timeline.ts'
import * as values from '#contract/runs/values.ts'
import * as waits from '#contract/runs/waits.ts'
import * as workers from '#contract/runs/workers.ts'
import * as seals from '#contract/seals.ts'
import * as usage from '#contract/usage.ts'
import * as webhooks from '#contract/webhooks.ts'
import { type CallOptions, type Connection, callRoute } from './call.ts'
import { type FollowOptions, followRun } from './follow.ts'

export type ClientOptions = {
  /** Base URL of Runyard, e.g. http://127.0.0.1:8080; its path is kept. */
  baseUrl: string
  /** An API key, or the token of a running attempt. A browser with a session cookie needs none. */
  credential?: string | undefined
}

// An input whose fields are all optional is itself optional.
type Arguments<I> =
  Record<never, never> extends I ? [input?: I, options?: CallOptions] : [input: I, options?: CallOptions]

export type Call<R extends Route> = (...args: Arguments<Input<R>>) => Promise<Output<R>>

const CONTRACT = {
  ...jobs,
  ...dependencies,
  ...presets,
  ...runs,
  ...ends,
  ...timeline,
  ...runControls,
  ...batches,
  ...bulk,
  ...records,
  ...debug,
  ...usage,
  ...executor,
  ...endings,
  ...waits,
  ...values,
  ...workers,
  ...hooks,
  ...inputs,
  ...files,
  ...agents,
  ...authorizations,
  ...events,
  ...seals,
  ...chains,
  ...webhooks,
  ...alertRules,
  ...alertChannels,
  ...access,
  ...sessions,
  ...users,
  ...operations,
  ...find,
}
type Contract = typeof CONTRACT

type CallableName = {
  [Name in keyof Contract]: Contract[Name] extends Route
    ? Contract[Name] extends { stream: true }
      ? never
      : Name
    : never
}[keyof Contract]

export type Calls = { [Name in CallableName]: Contract[Name] extends Route ? Call<Contract[Name]> : never }

export type Client = Calls & {
  /** Every event of a run, from the beginning or after a sequence, once and in order, until the run ends. */
  follow: (runId: string, options?: FollowOptions) => AsyncGenerator<Event, void, undefined>
  /** The same server with another credential, such as the token of a running attempt. */
  as: (credential: string) => Client
}

const isCallable = (value: unknown): value is Route =>
  typeof value === 'object' && value !== null && 'method' in value && 'replies' in value && !('stream' in value)

const CALLABLE = Object.entries<unknown>(CONTRACT).filter((entry): entry is [string, Route] => isCallable(entry[1]))

export function createClient({ baseUrl, credential }: ClientOptions): Client {
  const connection: Connection = { baseUrl: new URL(baseUrl).href, credential }
  const calls = Object.fromEntries(CALLABLE.map(([name, route]) => [name, callOf(connection, route)]))
  return {
    ...(calls as unknown as Calls),
    follow: (runId, options) => followRun(connection, runId, options),
    as: (other) => createClient({ baseUrl, credential: other }),
  }
}

const callOf =
  (connection: Connection, route: Route) =>
  (input: Record<string, unknown> = {}, options: CallOptions = {}): Promise<unknown> =>
    callRoute(connection, route, { input, options })
