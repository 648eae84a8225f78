// Connections to tool servers, by the protocol's own client over the guarded `fetch`. A connection serves one server and
// one agent, many calls at a time, and is closed when nobody has used it for a while.
import { AsyncLocalStorage } from 'node:async_hooks'
import {
  Client,
  type JsonSchemaValidator,
  type jsonSchemaValidator,
  SdkError,
  SdkErrorCode,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client'
import type { Ctx } from '#bell/ctx.ts'
import { part } from '#bell/part.ts'
import { refuse } from '#core/error.ts'
import { fetchesOf } from '#dispatch/guarded-fetch.ts'
import type { ToolServerRow } from './tool-servers.sql.ts'
import { dueNow } from './tool-servers.sql.ts'

/** On one node. */
const CONNECTIONS_MAX = 200
const IDLE_MS = 60_000
const CONNECT_MS_MAX = 10_000
/** Of one answer; what is more ends the call. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024
const CLOSE_MS_MAX = 2_000

export type Connection = { client: Client; isNew: boolean }

/** Told of an answer that is too large by the requests that are made within. */
export const tellTooLarge = new AsyncLocalStorage<(error: Error) => void>()

type Held = {
  key: string
  opening: Promise<{ client: Client; transport: StreamableHTTPClientTransport }>
  uses: number
  idle: NodeJS.Timeout | undefined
}

/** Agents do not share a session of a server: what one has opened there is not the other's. */
export type Owner = { agentId: string } | 'runyard'

export const connectionsOf = part((ctx) => makeConnections(ctx))

/** Results are judged by whoever asked for them: schemas of strangers are not compiled on the event loop. */
const NO_VALIDATION: jsonSchemaValidator = {
  getValidator<T>(): JsonSchemaValidator<T> {
    return (input) => ({ valid: true, data: input as T, errorMessage: undefined })
  },
}

function makeConnections(ctx: Ctx) {
  const held = new Map<string, Held>()

  function forget(one: Held): void {
    if (held.get(one.key) === one) held.delete(one.key)
    clearTimeout(one.idle)
    if (one.uses === 0) void close(one)
  }

  function makeRoom(): void {
    if (held.size < CONNECTIONS_MAX) return
    const free = [...held.values()].find(({ uses }) => uses === 0)
    if (!free) throw refuse('overloaded', { what: 'The connections to tool servers', retryAfterMs: 1_000 })
    forget(free)
  }

  function take(server: ToolServerRow, owner: Owner): { one: Held; isNew: boolean } {
    const key = [server.id, server.updatedAt.getTime(), owner === 'runyard' ? '' : owner.agentId].join('\0')
    const known = held.get(key)
    if (known) {
      clearTimeout(known.idle)
      return { one: known, isNew: false }
    }
    makeRoom()
    const one: Held = { key, opening: open(ctx, server), uses: 0, idle: undefined }
    held.set(key, one)
    return { one, isNew: true }
  }

  return {
    /** Throws what the connection could not be made for. `use` says whether it may be used again. */
    async use<T>(
      server: ToolServerRow,
      owner: Owner,
      use: (connection: Connection) => Promise<{ result: T; isBroken: boolean }>,
    ): Promise<T> {
      const { one, isNew } = take(server, owner)
      one.uses++
      let isBroken = true
      try {
        const { client } = await one.opening
        const used = await use({ client, isNew })
        isBroken = used.isBroken
        return used.result
      } finally {
        one.uses--
        if (isBroken || held.get(one.key) !== one) forget(one)
        else if (one.uses === 0) one.idle = setTimeout(() => forget(one), IDLE_MS).unref()
      }
    },
    async close() {
      const all = [...held.values()]
      for (const one of all) forget(one)
      await Promise.all(all.map(close))
      await fetchesOf(ctx).close()
    },
  }
}

async function open(ctx: Ctx, server: ToolServerRow): Promise<Awaited<Held['opening']>> {
  const timeoutMs = server.timeoutSecs * 1_000
  const client = new Client(
    { name: 'runyard', version: '1' },
    {
      capabilities: {},
      versionNegotiation: { mode: 'auto' },
      jsonSchemaValidator: NO_VALIDATION,
      listChanged: { tools: { autoRefresh: false, onChanged: () => void readAgain(ctx, server) } },
    },
  )
  client.onerror = (error) => {
    ctx.log.debug({ err: error, toolServer: server.name }, 'a tool server broke the protocol or the connection')
  }
  const bounds = { bodyBytesMax: ANSWER_BYTES_MAX, timeoutMs: timeoutMs + CONNECT_MS_MAX }
  const transport = new StreamableHTTPClientTransport(new URL(server.url), {
    // Bounded once more than by the call itself: the end of a request must not depend on the server.
    fetch: (url, init) => fetchesOf(ctx).within({ ...bounds, onTooLarge: tellTooLarge.getStore() })(url, init),
    requestInit: { headers: server.headers },
    reconnectionOptions: {
      initialReconnectionDelay: 1_000,
      maxReconnectionDelay: 1_000,
      reconnectionDelayGrowFactor: 1,
      maxRetries: 0,
    },
  })
  try {
    await client.connect(transport, { timeout: CONNECT_MS_MAX })
  } catch (error) {
    await client.close().catch(() => {})
    throw new Error(whyNotConnected(error), { cause: error })
  }
  return { client, transport }
}

/** Without the client's words for the step at which it failed. */
function whyNotConnected(error: unknown): string {
  if (error instanceof SdkError && error.code === SdkErrorCode.RequestTimeout)
    return `no answer within ${CONNECT_MS_MAX / 1_000} s`
  return wordsOf(error).replace(/^Version negotiation (?:probe )?failed: /, '')
}

/** What an error says, with its cause where that says more. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause, message } = error
  const more = cause instanceof Error ? cause.message : ''
  return more === '' || message.includes(more) ? message : `${message}: ${more}`
}

/** The server says that its tools have changed. */
async function readAgain(ctx: Ctx, server: ToolServerRow): Promise<void> {
  await dueNow(ctx.sql, server.id)
    .then(() => ctx.ring(['tool-servers']))
    .catch((error: unknown) => ctx.log.warn({ err: error }, 'the tools of a server could not be marked as changed'))
}

/** Says goodbye where the server keeps a session, and does not insist on it. */
async function close(one: Held): Promise<void> {
  const opened = await one.opening.catch(() => undefined)
  if (!opened) return
  const late = new Promise((resolve) => setTimeout(resolve, CLOSE_MS_MAX).unref())
  await Promise.race([opened.transport.terminateSession().catch(() => {}), late])
  await opened.client.close().catch(() => {})
}
