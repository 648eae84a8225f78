// Who calls the gateway, for which agent, and as part of which run.
import type { FastifyRequest } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import { refuse, refuseField } from '#core/error.ts'
import { own } from '#core/own.ts'
import { runOfSession } from '#gateway/tell-call.ts'
import { isUuid } from '#postgres/id.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { agentOfRun } from '#usage/spend.ts'
import { type Caller, callerOf } from '../caller.ts'
import { headerText } from '../input/header-text.ts'

export const SESSION_HEADER = 'mcp-session-id'
const RUN_HEADER = 'runyard-run-id'
const WAIT_HEADER = 'runyard-wait-secs'
/** The same in `_meta`, which says it for one call. */
const RUN_META = 'runyard.run_id'
const WAIT_META = 'runyard.wait_secs'
const KEY_META = 'runyard.idempotency_key'

const RUN_ID_LENGTH_MAX = 256
const KEY_LENGTH_MAX = 200
const WAIT_SECS_MAX = 600
/** Below the minute after which most clients give a call up, unless they are told how it goes. */
const WAIT_SECS = 50
const WAIT_SECS_WITH_PROGRESS = 300

type GatewayCaller = Exclude<Caller, { kind: 'view' }>
export type Who = { caller: GatewayCaller; projectId: string; agentId: string }
type Meta = Readonly<Record<string, unknown>> | undefined

export function whoAsks(request: FastifyRequest): Who {
  const caller = callerOf(request)
  if (caller.kind === 'view')
    throw refuse('wrong_credential', { needs: 'an API key or the token of a running attempt' })
  const { agent_id: agentId } = request.params as { agent_id: string }
  return { caller, projectId: caller.projectId, agentId }
}

/** Of clients of earlier revisions; undefined for all others. */
export function sessionOf({ headers }: FastifyRequest): string | undefined {
  const id = headers[SESSION_HEADER]
  return typeof id === 'string' ? id : undefined
}

export const isSessionId = (id: string): boolean => isUuid(id)
export const runOfSessionId = (id: string): string => `mcp-${id.toLowerCase()}`

/**
 * The run that a call is part of: that of the attempt whose token was sent, the one that the call or the client names,
 * that of the session, or one of its own.
 */
export async function runOfCall(
  ctx: Ctx,
  { request, who, meta, newRunId }: { request: FastifyRequest; who: Who; meta: Meta; newRunId: () => string },
): Promise<RunRow> {
  const { caller, projectId, agentId } = who
  const named = textIn(meta, RUN_META) ?? headerIn(request, RUN_HEADER)
  if (caller.kind === 'run') {
    const run = await requireRun(ctx, projectId, caller.runId)
    if (named !== undefined && named !== run.publicId) throw refuse('run_not_found', { runId: named })
    if (agentOfRun(run) !== agentId)
      throw refuseField('agent_id', `must be ${agentOfRun(run)}, on behalf of which the run acts`)
    return run
  }
  if (named !== undefined && (named === '' || named.length > RUN_ID_LENGTH_MAX))
    throw refuseField(RUN_META, `must have 1 to ${RUN_ID_LENGTH_MAX} characters`)
  const session = sessionOf(request)
  const runRef = named ?? (session === undefined ? newRunId() : runOfSessionId(session))
  const client = clientOf(request)
  return runOfSession(ctx, { projectId, actor: caller.actor, agentId, runRef, ...(client !== undefined && { client }) })
}

export function keyOfCall(meta: Meta): string | undefined {
  const key = textIn(meta, KEY_META)
  if (key !== undefined && (key === '' || key.length > KEY_LENGTH_MAX))
    throw refuseField(KEY_META, `must have 1 to ${KEY_LENGTH_MAX} characters`)
  return key
}

/** How long a call waits for a person. */
export function waitMsOf(request: FastifyRequest, meta: Meta, hasProgress: boolean): number {
  const said = meta?.[WAIT_META] ?? headerIn(request, WAIT_HEADER)
  if (said === undefined) return (hasProgress ? WAIT_SECS_WITH_PROGRESS : WAIT_SECS) * 1_000
  const secs = typeof said === 'string' && /^\d{1,4}$/.test(said) ? Number(said) : said
  if (typeof secs !== 'number' || !Number.isInteger(secs) || secs < 0 || secs > WAIT_SECS_MAX)
    throw refuseField(WAIT_META, `must be a whole number of seconds from 0 to ${WAIT_SECS_MAX}`)
  return secs * 1_000
}

function textIn(meta: Meta, name: string): string | undefined {
  const value = meta && own(meta, name)
  if (value === undefined || typeof value === 'string') return value
  throw refuseField(name, 'must be a text')
}

function headerIn({ headers }: FastifyRequest, name: string): string | undefined {
  const value = own(headers, name)
  return typeof value === 'string' ? headerText(value) : undefined
}

const clientOf = ({ headers }: FastifyRequest): string | undefined => headers['user-agent']?.slice(0, 200)
