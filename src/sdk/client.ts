// The client: one method for each route of the contract, under the route's name. A new route of the
// contract needs no code here.
import type { Event } from '#contract/event.ts'
import type { Input, Output, Route } from '#contract/route.ts'
import { type CONTRACT, ROUTES } from '#contract/routes.ts'
import { type CallOptions, type Connection, callRoute } from './call.ts'
import { type FollowOptions, followRun } from './follow.ts'

/** Where a client finds its server, and as whom it calls. */
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

type Contract = typeof CONTRACT

type CallableName = {
  [Name in keyof Contract]: Contract[Name] extends Route
    ? Contract[Name] extends { stream: true }
      ? never
      : Name
    : never
}[keyof Contract]

export type Calls = { [Name in CallableName]: Contract[Name] extends Route ? Call<Contract[Name]> : never }

/**
 * A client of one server: a call for each route of the API, of the same name. Each call takes the fields of the
 * route as one object, and resolves to the body of the reply, or rejects with RunyardError.
 */
export type Client = Calls & {
  /** Every event of a run, from the beginning or after a sequence, once and in order, until the run ends. */
  follow: (runId: string, options?: FollowOptions) => AsyncGenerator<Event, void, undefined>
  /** The same server with another credential, such as the token of a running attempt. */
  as: (credential: string) => Client
}

const CALLABLE = ROUTES.filter((route) => !route.stream)

/** Makes a client. It opens no connection before its first call; throws TypeError when the base URL is none. */
export function createClient({ baseUrl, credential }: ClientOptions): Client {
  const connection: Connection = { baseUrl: new URL(baseUrl).href, credential }
  const calls = Object.fromEntries(CALLABLE.map((route) => [route.name, callOf(connection, route)]))
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
