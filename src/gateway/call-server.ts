// One call of a tool on its server. A fault of the server is an outcome, never an exception.
import { ProtocolError, SdkError, SdkErrorCode, SdkHttpError } from '@modelcontextprotocol/client'
import { secretsOf, withoutSecrets } from '#access/mask.ts'
import type { Ctx } from '#bell/ctx.ts'
import { Refusal } from '#core/error.ts'
import { answerProblem, cutText, storableJson } from '#core/storable.ts'
import { type Connection, connectionsOf, type Owner, tellTooLarge, wordsOf } from './connections.ts'
import type { ServerTool } from './server-tools.ts'
import { dueNow, type ToolServerRow } from './tool-servers.sql.ts'

/** Of what is handed on to the model. */
const RESULT_BYTES_MAX = 1024 * 1024
const ERROR_LENGTH_MAX = 500
/** A tool that is gone is a reason to read the tools again, unless that was done a moment ago. */
const READ_AGAIN_AFTER_MS = 10_000

export type ToolResult = { content: unknown[]; structuredContent?: unknown; isError?: boolean | undefined }
export type ServerOutcome =
  | { ok: true; result: ToolResult }
  /** `made`: the tool may have been at work; false when the call has not reached it. */
  | { ok: false; error: string; made: boolean; aborted: boolean }

type ServerCall = {
  agentId: string
  tool: ServerTool
  args: Record<string, unknown>
  signal: AbortSignal
  onProgress?:
    | ((progress: { progress: number; total?: number | undefined; message?: string | undefined }) => void)
    | undefined
}

export async function callServer(ctx: Ctx, server: ToolServerRow, call: ServerCall): Promise<ServerOutcome> {
  const owner: Owner = { agentId: call.agentId }
  const attempt = () => connectionsOf(ctx).use(server, owner, (connection) => callOnce(server, connection, call))
  try {
    const first = await attempt()
    // The server has forgotten the session, and with it has not made the call.
    const outcome = first === 'session_lost' ? await attempt() : first
    if (outcome === 'session_lost') return failed(server, { error: 'it forgets its sessions at once', made: false })
    if (!outcome.ok && outcome.isUnknown) await lookAgain(ctx, server)
    return outcome
  } catch (error) {
    if (error instanceof Refusal) return failed(server, { error: error.message, made: false })
    return failed(server, {
      error: `cannot be reached: ${error instanceof Error ? error.message : String(error)}`,
      made: false,
    })
  }
}

type Ended = { result: (ServerOutcome & { isUnknown?: boolean }) | 'session_lost'; isBroken: boolean }

async function callOnce(
  server: ToolServerRow,
  { client, isNew }: Connection,
  { tool, args, signal, onProgress }: ServerCall,
): Promise<Ended> {
  const timeout = server.timeoutSecs * 1_000
  // Ends the request as well as the wait for its answer.
  const ending = new AbortController()
  const stop = () => ending.abort()
  signal.addEventListener('abort', stop, { once: true })
  const cut = Promise.withResolvers<never>()
  cut.promise.catch(() => {})
  try {
    const call = () =>
      client.callTool(
        { name: tool.name, arguments: args },
        {
          timeout,
          maxTotalTimeout: timeout,
          signal,
          requestSignal: ending.signal,
          toolDefinition: tool as never,
          onRequestStreamEnd: () => cut.reject(new Error('it ended the connection without an answer')),
          ...(onProgress && { onprogress: onProgress }),
        },
      )
    const calling = tellTooLarge.run(cut.reject, call)
    calling.catch(() => {})
    return { result: resultOf(server, await Promise.race([calling, cut.promise])), isBroken: false }
  } catch (error) {
    if (signal.aborted)
      return { result: failed(server, { error: 'was canceled', made: true, aborted: true }), isBroken: false }
    if (error instanceof SdkHttpError && error.status === 404 && !isNew)
      return { result: 'session_lost', isBroken: true }
    const isAnswer = error instanceof ProtocolError
    const outcome = failed(server, { error: problemOf(error, server), made: true })
    return { result: { ...outcome, isUnknown: isAnswer }, isBroken: !isAnswer && !isTimeout(error) }
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
}

function resultOf(server: ToolServerRow, answered: object): ServerOutcome {
  const { content = [], structuredContent, isError } = answered as Partial<ToolResult>
  const result: ToolResult = {
    content,
    ...(structuredContent !== undefined && { structuredContent }),
    ...(isError && { isError }),
  }
  const text = JSON.stringify(result)
  if (Buffer.byteLength(text) > RESULT_BYTES_MAX)
    return failed(server, { error: `its result is larger than ${RESULT_BYTES_MAX} bytes`, made: true })
  const problem = answerProblem(text, result)
  if (problem) return failed(server, { error: `its result ${problem}`, made: true })
  return { ok: true, result: storableJson(result) as ToolResult }
}

type Failure = { error: string; made: boolean; aborted?: boolean }

/** What a server says about a request may repeat the headers of it. */
function failed(
  server: ToolServerRow,
  { error, made, aborted = false }: Failure,
): Extract<ServerOutcome, { ok: false }> {
  const words = withoutSecrets(error, secretsOf(server.headers))
  return { ok: false, error: cutText(words, ERROR_LENGTH_MAX), made, aborted }
}

const isTimeout = (error: unknown): boolean => error instanceof SdkError && error.code === SdkErrorCode.RequestTimeout

function problemOf(error: unknown, { timeoutSecs }: ToolServerRow): string {
  if (isTimeout(error)) return `did not answer within ${timeoutSecs} s`
  if (error instanceof ProtocolError) return `answered with an error: ${error.message}`
  return wordsOf(error)
}

async function lookAgain(ctx: Ctx, { id, refreshedAt }: ToolServerRow): Promise<void> {
  if (refreshedAt && ctx.nowMs() - refreshedAt.getTime() < READ_AGAIN_AFTER_MS) return
  await dueNow(ctx.sql, id)
  ctx.ring(['tool-servers'])
}
