// Calls of the API. A call is typed by its route in the contract, of which only the types are here: the schemas would be
// most of the console's weight. A wrong method or path does not compile.
import type { Input, Output, Route } from '#contract/route.ts'
import { send, unanswered } from '#sdk/call.ts'
import { answeredError, RunyardError } from '#sdk/error.ts'
import { parseJson } from './json.ts'

const TIMEOUT_MS = 30_000

type Names<R extends Route> = R['query'] extends object ? Extract<keyof Input<R>, string> : never
export type CallOptions = { signal?: AbortSignal; timeoutMs?: number }
export type Call<R extends Route> = (input: Input<R>, options?: CallOptions) => Promise<Output<R>>

/** Where the console is, without the slash at its end. */
export const BASE = new URL('.', document.baseURI).href.replace(/\/$/, '')

type Standing = { project: string | undefined; onSignedOut: () => void }
const standing: Standing = { project: undefined, onSignedOut: () => {} }

/** The project that calls are about; the session's own when there is none. */
export const setProject = (project: string | undefined): void => {
  standing.project = project
}
export const currentProject = (): string | undefined => standing.project
export const whenSignedOut = (tell: () => void): void => {
  standing.onSignedOut = tell
}

/** `inQuery`: the fields that a call with a body sends in its query; one without a body sends all there. */
export const call =
  <R extends Route>(method: R['method'], path: R['path'], inQuery: readonly Names<R>[] = []): Call<R> =>
  async (input, options = {}) => {
    const text = await exchange({ method, path, input, inQuery, ...options })
    return (text === '' ? undefined : parseJson(text)) as Output<R>
  }

type Exchange = CallOptions & {
  method: string
  path: string
  input: object
  inQuery: readonly string[]
}

async function exchange({ method, path, input, inQuery, signal, timeoutMs = TIMEOUT_MS }: Exchange): Promise<string> {
  const fields = new Map<string, unknown>(Object.entries(input))
  const target = path.replaceAll(/:(\w+)/g, (_, name: string) => {
    const value = String(fields.get(name))
    fields.delete(name)
    return encodeURIComponent(value)
  })
  const isRead = method === 'GET'
  const query = new URLSearchParams()
  const body: Record<string, unknown> = {}
  for (const [name, value] of fields) {
    if (value === undefined) continue
    if (!isRead && !inQuery.includes(name)) body[name] = value
    else for (const one of [value].flat()) query.append(name, String(one))
  }
  const timeout = AbortSignal.timeout(timeoutMs)
  const search = query.size > 0 ? `?${query}` : ''
  try {
    const response = await send(
      { baseUrl: BASE, credential: undefined },
      {
        request: {
          method: method as Route['method'],
          target: target + search,
          ...(!isRead && Object.keys(body).length > 0 && { body: JSON.stringify(body) }),
        },
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        headers: standing.project === undefined ? {} : { 'runyard-project': standing.project },
      },
    )
    if (response.ok) return await response.text()
    throw await answeredError(response)
  } catch (error) {
    if (signal?.aborted) throw error
    if (!(error instanceof RunyardError)) throw unanswered(error, timeout.aborted, `${method} ${path}`)
    if (error.status === 401 && path !== '/v1/session') standing.onSignedOut()
    throw error
  }
}

/** An answer as it came, of a path that is no route of the contract. */
export const readText = (path: string, signal: AbortSignal): Promise<string> =>
  exchange({ method: 'GET', path, input: {}, inQuery: [], signal })
