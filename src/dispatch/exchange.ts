// One request and its response over undici: measures it, bounds it, and settles exactly once, whatever happens
// first: the last byte, a broken connection, the time limit or an abort.

import type { Socket } from 'node:net'
import type { Dispatcher } from 'undici'
import { type CallTimings, startClock } from './call-clock.ts'
import { asFault, asHeadFault, CallFault, type FaultReason } from './call-fault.ts'
import type { Dialling } from './dial.ts'
import { boundedBody, decodeBody } from './response-body.ts'

export type CallRequest = {
  url: string
  headers: Record<string, string>
  body: string | Uint8Array
  /** From the call to the last byte of the response, waiting for a connection included. */
  timeoutMs: number
  signal?: AbortSignal
  resultBytesMax: number
}

export type CallOutcome =
  | {
      kind: 'response'
      status: number
      headers: Record<string, string>
      bodyText: string
      /** As far as it was read. */
      bodyBytes: number
      /** Only for a status other than 2xx, where the status decides and the body is for a human. */
      bodyTruncated: boolean
      isJson: boolean
      json?: unknown
      timings: CallTimings
    }
  | { kind: 'failed'; reason: FaultReason; message: string; timings: CallTimings }

/** undici's handler for one request, which also watches its own connection being made. */
export type Exchange = Dispatcher.DispatchHandler &
  Dialling & {
    readonly settled: boolean
    readonly outcome: Promise<CallOutcome>
    /** The last byte of the request was handed to the connection. */
    onSent(): void
    /** The head of the response has come, whole; what is wrong before its body begins is wrong with the head. */
    onHead(): void
    fail(fault: CallFault): void
  }

type Response = Omit<Extract<CallOutcome, { kind: 'response' }>, 'kind' | 'timings'>

// setTimeout fires at once for anything longer.
const TIMER_MS_MAX = 2 ** 31 - 1

// What a connection is ended with when its call has been answered already. Nobody reads it.
const OVER = new CallFault('aborted', 'the call is over')

export function openExchange(request: CallRequest): Exchange {
  const { promise: outcome, resolve } = Promise.withResolvers<CallOutcome>()
  const clock = startClock()
  let settled = false
  let controller: Dispatcher.DispatchController | undefined
  let dialling: Socket | undefined

  const settle = (result: CallOutcome | Promise<CallOutcome>) => {
    if (settled) return
    settled = true
    clearTimeout(timer)
    request.signal?.removeEventListener('abort', onAbort)
    // Nobody waits for this connection any more, and left alone it would hold a place in the pool.
    dialling?.destroy(OVER)
    resolve(result)
  }
  const fail = ({ reason, message }: CallFault) => {
    settle({ kind: 'failed', reason, message, timings: clock.read() })
  }
  // Settles first: tearing the connection down must not change what is said about it.
  const stop = (fault: CallFault) => {
    fail(fault)
    controller?.abort(fault)
  }
  const respond = (response: Response) => {
    const result = { kind: 'response', ...response, timings: clock.read() } as const
    // Told a turn later, when undici has freed the connection: a caller that goes straight on to its next call
    // would otherwise open another one.
    settle(new Promise((told) => queueMicrotask(() => setImmediate(told, result))))
  }

  const onAbort = () => stop(new CallFault('aborted', 'the call was aborted', { cause: request.signal?.reason }))
  const timeoutMs = Math.min(request.timeoutMs, TIMER_MS_MAX)
  const timer = setTimeout(() => stop(new CallFault('timeout', `no response within ${timeoutMs} ms`)), timeoutMs)
  request.signal?.addEventListener('abort', onAbort, { once: true })
  if (request.signal?.aborted) onAbort()

  return {
    outcome,
    fail,
    get settled() {
      return settled
    },
    onDial(socket) {
      clock.dialStarted()
      if (settled) socket.destroy(OVER)
      else dialling = socket
    },
    onConnected() {
      clock.dialEnded()
      dialling = undefined
    },
    onRequestStart(started) {
      controller = started
      if (settled) started.abort(OVER)
    },
    onSent: () => clock.requestSent(),
    onResponseStarted: () => clock.firstByte(),
    ...receiveResponse(request.resultBytesMax, { respond, stop, fail }),
  }
}

/** The half of the handler that takes the response in and says what it amounts to. */
function receiveResponse(
  bytesMax: number,
  end: { respond(response: Response): void; stop(fault: CallFault): void; fail(fault: CallFault): void },
): Pick<Exchange, 'onHead' | 'onResponseStart' | 'onResponseData' | 'onResponseEnd' | 'onResponseError'> {
  const body = boundedBody(bytesMax)
  let headCame = false
  let status = 0
  let headers: Record<string, string> = {}

  const respond = (bodyTruncated: boolean) => {
    const bytes = body.bytes()
    end.respond({ status, headers, bodyBytes: bytes.length, bodyTruncated, ...decodeBody(bytes, bodyTruncated) })
  }

  const tooLarge = () => {
    // Half a result is none. Of an error's body the beginning is enough, and the status must not be lost.
    if (!isSuccess(status)) respond(true)
    end.stop(new CallFault('body_too_large', `the body is larger than ${bytesMax} bytes`))
  }

  return {
    onHead() {
      headCame = true
    },
    onResponseStart(_controller, statusCode, received) {
      if (statusCode < 200) return // The response proper is still to come.
      status = statusCode
      headers = flatten(received)
      if (isSuccess(status) && status !== NO_CONTENT && Number(headers['content-length']) > bytesMax) tooLarge()
    },
    onResponseData(_controller, chunk) {
      const encoding = headers['content-encoding']?.trim().toLowerCase() || 'identity'
      // Judged now that there is a body: a response without one may name the encoding that it would have had.
      if (isSuccess(status) && encoding !== 'identity')
        end.stop(new CallFault('malformed', `the body is encoded as ${encoding}, although identity was asked for`))
      else if (!body.add(chunk)) tooLarge()
    },
    onResponseError: (_controller, error) => end.fail(headCame && status === 0 ? asHeadFault(error) : asFault(error)),
    onResponseEnd: () => respond(false),
  }
}

/** It has no body, whatever its headers say. */
const NO_CONTENT = 204

const isSuccess = (status: number) => status >= 200 && status < 300

const flatten = (headers: Record<string, string | string[] | undefined>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value = '']) => [name, typeof value === 'string' ? value : value.join(', ')]),
  )
