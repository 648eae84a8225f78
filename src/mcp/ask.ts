// How tools reach the API: through the routes of the contract, with the caller's own key, so that what a key may do, and
// what is refused, is the same here as everywhere. A node asks itself; the command line asks over the network.
import type { Input, Output, Route } from '#contract/route.ts'
import { answeredError } from '#sdk/error.ts'
import { requestOf, type WireRequest } from '#sdk/request.ts'

export type Sent = WireRequest & { headers: Record<string, string> }
export type Transport = (request: Sent) => Promise<Response>

/** Says that a call was made for a model: the node records each change so marked. */
export const VIA_HEADER = 'x-runyard-via'
export const VIA_MCP = 'mcp'

/** Reads a page of text that the node serves, by its path. */
export type ReadPage = (path: string) => Promise<string>

export function pagesThrough(transport: Transport): ReadPage {
  return async (path) => {
    const response = await transport({ method: 'GET', target: path, body: undefined, headers: { accept: 'text/*' } })
    if (!response.ok) throw await answeredError(response)
    return response.text()
  }
}

export type Ask = <R extends Route>(route: R, input: Input<R>) => Promise<Output<R>>

export function askThrough(transport: Transport): Ask {
  return async <R extends Route>(route: R, input: Input<R>) => {
    const request = requestOf(route, input as Record<string, unknown>)
    const response = await transport({
      ...request,
      headers: {
        accept: 'application/json',
        [VIA_HEADER]: VIA_MCP,
        ...(request.body !== undefined && { 'content-type': 'application/json' }),
      },
    })
    if (route.replies[response.status] === undefined) throw await answeredError(response)
    const text = await response.text()
    return (text === '' ? undefined : JSON.parse(text)) as Output<R>
  }
}
