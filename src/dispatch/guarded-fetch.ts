// `fetch` for protocols that bring a client of their own: the same guard as for calls of endpoints, no redirects, and a
// bound on every body. What it refuses, and what breaks, is thrown as an error with a sentence.
import { Agent, fetch as undiciFetch } from 'undici'
import { type Egress, egressOf, inspectEndpoint, type Resolve } from '#access/egress/egress.ts'
import { part } from '#bell/part.ts'
import { type Dialling, makeDial } from './dial.ts'

type GuardedFetch = (url: string | URL, init?: RequestInit) => Promise<Response>

type Options = {
  egress: Egress
  connectTimeoutMs?: number
  resolve?: Resolve
}
type FetchBounds = {
  /** Of one answer; of a stream that stays open, in all. */
  bodyBytesMax: number
  /** From the request to the last byte of its answer. A GET opens a stream, which its signal ends. */
  timeoutMs: number
  /** A body that is read as a stream may break where nobody looks. */
  onTooLarge?: ((error: Error) => void) | undefined
}

const CONNECT_MS_MAX = 10_000
const CONNECTIONS_PER_ORIGIN_MAX = 64
const HEADER_BYTES_MAX = 16 * 1_024
/** A stream sends comments meanwhile, or is given up. */
const SILENCE_MS_MAX = 10 * 60_000

const UNWATCHED: Dialling = { onDial() {}, onConnected() {} }

type FetchMaker = { within: (bounds: FetchBounds) => GuardedFetch; close: () => Promise<void> }

export function makeGuardedFetch({ egress, connectTimeoutMs = CONNECT_MS_MAX, resolve }: Options): FetchMaker {
  const dial = makeDial({ egress, connectTimeoutMs, ...(resolve && { resolve }) })
  const agent = new Agent({
    allowH2: false,
    connections: CONNECTIONS_PER_ORIGIN_MAX,
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: SILENCE_MS_MAX,
    bodyTimeout: SILENCE_MS_MAX,
    connect: (target, done) => dial(target, UNWATCHED, done),
  })
  return {
    within: (bounds) => async (url, init) => {
      const endpoint = inspectEndpoint(String(url), egress)
      if (!endpoint.ok) throw new Error(endpoint.message)
      const headers = new Headers(init?.headers)
      // A compressed body could be a thousand times what its bound allows.
      headers.set('accept-encoding', 'identity')
      const signal = signalOf(init, bounds)
      const response = await undiciFetch(endpoint.url, {
        ...(init as object),
        headers: [...headers],
        redirect: 'manual',
        dispatcher: agent,
        ...(signal && { signal }),
      }).catch((error: unknown) => {
        throw asSentence(error)
      })
      return checked(response as unknown as Response, bounds)
    },
    close: () => agent.destroy(),
  }
}

/** Guarded by the setting of the node. */
export const fetchesOf = part((ctx) => makeGuardedFetch({ egress: egressOf(ctx) }))

function signalOf(init: RequestInit | undefined, { timeoutMs }: FetchBounds): AbortSignal | undefined {
  const given = init?.signal ?? undefined
  if (init?.method === 'GET') return given
  const late = AbortSignal.timeout(timeoutMs)
  return given ? AbortSignal.any([given, late]) : late
}

async function checked(response: Response, bounds: FetchBounds): Promise<Response> {
  const { status, statusText, headers } = response
  const refused = problemOf(response, bounds.bodyBytesMax)
  if (refused !== undefined) {
    await response.body?.cancel().catch(() => {})
    throw new Error(refused)
  }
  const body = response.body && bounded(response.body, bounds)
  return new Response(body, { status, statusText, headers })
}

function problemOf({ status, headers }: Response, bodyBytesMax: number): string | undefined {
  if (status >= 300 && status < 400) return `it answered ${status}, and redirects are not followed`
  const encoding = headers.get('content-encoding')?.trim().toLowerCase() || 'identity'
  if (encoding !== 'identity') return `the answer is encoded as ${encoding}, although identity was asked for`
  if (Number(headers.get('content-length')) > bodyBytesMax) return tooLarge(bodyBytesMax)
  return undefined
}

const tooLarge = (bytesMax: number) => `the answer is larger than ${bytesMax} bytes`

function bounded(
  body: ReadableStream<Uint8Array>,
  { bodyBytesMax, onTooLarge }: FetchBounds,
): ReadableStream<Uint8Array> {
  let bytes = 0
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.byteLength
        if (bytes <= bodyBytesMax) {
          controller.enqueue(chunk)
          return
        }
        const error = new Error(tooLarge(bodyBytesMax))
        // Ends the response too, which nobody reads any further.
        controller.error(error)
        onTooLarge?.(error)
      },
    }),
  )
}

/** `fetch failed` says nothing; its cause does. */
function asSentence(error: unknown): Error {
  const { cause } = error as { cause?: unknown }
  return cause instanceof Error && cause.message !== ''
    ? cause
    : error instanceof Error
      ? error
      : new Error(String(error))
}
