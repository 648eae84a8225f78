// Calls handlers over HTTP: pooled connections, every address guarded, every call measured and bounded. A fault
// of the other side is an outcome, never an exception.

import type { Socket } from 'node:net'
import { Agent, Client, type Dispatcher, Pool } from 'undici'
import { type Egress, inspectEndpoint, type Resolve } from '#access/egress/egress.ts'
import { headerProblem } from '#access/egress/headers.ts'
import { CallFault } from './call-fault.ts'
import { type Dial, makeDial } from './dial.ts'
import { type CallOutcome, type CallRequest, type Exchange, openExchange } from './exchange.ts'
import { type Heads, mendHeads } from './mend-heads.ts'

export type { CallTimings } from './call-clock.ts'
export type { FaultReason } from './call-fault.ts'
export type { CallOutcome, CallRequest } from './exchange.ts'

export type Caller = {
  call(request: CallRequest): Promise<CallOutcome>
  /** Ends what still runs (as `aborted`) and closes all connections. Wait for the calls first to spare them. */
  close(): Promise<void>
}

export type CallerOptions = {
  egress: Egress
  connectTimeoutMs?: number
  /** Calls beyond it wait for a free connection; the wait counts towards their `timeoutMs`. */
  maxConnectionsPerOrigin?: number
  resolve?: Resolve
}

const CONNECT_MS_MAX = 10_000
const CONNECTIONS_PER_ORIGIN_MAX = 256
const HEADER_BYTES_MAX = 16 * 1_024

export function makeCaller(options: CallerOptions): Caller {
  const dial = makeDial({ connectTimeoutMs: CONNECT_MS_MAX, ...options })
  const agent = new Agent({
    allowH2: false, // One request per connection, so that a connection can be ended with its call.
    pipelining: 1,
    connections: options.maxConnectionsPerOrigin ?? CONNECTIONS_PER_ORIGIN_MAX,
    maxHeaderSize: HEADER_BYTES_MAX,
    // The exchange has one time limit for everything, and undici's timers are half a second coarse.
    headersTimeout: 0,
    bodyTimeout: 0,
    factory: (origin, poolOptions) =>
      new Pool(origin, { ...poolOptions, factory: (url, lineOptions) => new Line(url, lineOptions, dial) }),
  })

  return {
    async call(request) {
      const exchange = openExchange(request)
      const checked = checkRequest(request, options.egress)
      if (checked instanceof CallFault) exchange.fail(checked)
      else if (!exchange.settled) agent.dispatch(dispatchOptions(checked, request, exchange), exchange)
      return exchange.outcome
    },
    close: () => agent.destroy(new CallFault('aborted', 'the caller was closed')),
  }
}

const BROKEN_HEAD = new CallFault('malformed', 'the head of the response has a line that does not end with CRLF')

type Carried = { exchange?: Exchange; heads?: Heads }

/** One connection of a pool. It knows whose call it carries, so that the call can measure and end the dial. */
class Line extends Client {
  readonly #carried: Carried

  constructor(origin: URL, options: Client.Options, dial: Dial) {
    const carried: Carried = {}
    const connected = (socket: Socket) => {
      carried.heads = mendHeads(socket, {
        headBytesMax: HEADER_BYTES_MAX,
        onHead: () => carried.exchange!.onHead(),
        onBroken() {
          carried.exchange!.fail(BROKEN_HEAD)
          socket.destroy(BROKEN_HEAD)
        },
      })
    }
    // A line without a call has no reason to dial, so there is always an exchange here.
    super(origin, {
      ...options,
      connect: (target, done) =>
        dial(target, carried.exchange!, (...[error, socket]) => {
          if (error) return done(error, null)
          connected(socket as Socket)
          done(null, socket)
        }),
    })
    this.#carried = carried
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    // The handler is the exchange in undici's own wrapper, which does not pass on that a request was sent.
    const { exchange } = options as CallOptions
    Object.assign(handler, { onRequestSent: exchange.onSent })
    // It ended while it waited for a free line; "true" tells the pool that this line is still free.
    if (exchange.settled) return true
    this.#carried.exchange = exchange
    this.#carried.heads?.expect()
    return super.dispatch(options, handler)
  }
}

/** The URL to call, or the fault of a request that must not, or cannot, be sent. */
function checkRequest(request: CallRequest, egress: Egress): URL | CallFault {
  const endpoint = inspectEndpoint(request.url, egress)
  if (!endpoint.ok) {
    return new CallFault(endpoint.reason === 'malformed_url' ? 'malformed' : 'refused_address', endpoint.message)
  }
  // Found out here, because a request that undici itself refuses would keep its line marked as busy.
  for (const [name, value] of Object.entries(request.headers)) {
    const problem = headerProblem(name, value)
    if (problem) return new CallFault('malformed', `the header ${name} cannot be sent: ${problem}`)
  }
  return endpoint.url
}

type CallOptions = Agent.DispatchOptions & { exchange: Exchange }

const dispatchOptions = (url: URL, { headers, body }: CallRequest, exchange: Exchange): CallOptions => ({
  exchange,
  origin: url.origin,
  path: url.pathname + url.search,
  method: 'POST',
  // A compressed body could be a thousand times what its bound allows.
  headers: { ...headers, 'accept-encoding': 'identity' },
  body,
})
