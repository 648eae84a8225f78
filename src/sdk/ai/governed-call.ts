// A call of a tool on behalf of the run's agent: decided by its policy, perhaps by a person, made once, settled, recorded and
// kept. When the code comes by again, the call is answered as it was.
import { RunyardError } from '../error.ts'
import type { JobContext } from '../steps/context.ts'
import { beginOf } from '../text-slices.ts'
import { ToolBlocked, ToolFailed } from './errors.ts'
import type { Gate } from './gate.ts'
import { plainJson, sortedJson } from './plain-json.ts'

/** What the helpers need of the context of a job. */
export type Governable = Pick<JobContext<unknown>, 'attempt' | 'signal' | 'step' | 'log'>

/** What the helpers of one attempt share. */
export type Governing = Governable & {
  gate: Gate
  /** How often a name was given out. */
  counts: Map<string, number>
  /** Why the attempt cannot go on: an error that no model may take for the answer of a tool. */
  broken: { error: unknown } | undefined
}

/** How the calls of one tool are governed. */
export type GovernOptions = {
  /** Args that a person who approves the call may change. */
  editable?: readonly string[]
  /** Whom the approval is for. */
  assignee?: string
  /** Seconds after which a call that nobody has decided about is refused; a day unless set. */
  expiresInSecs?: number
  /** Cost to reserve, in micro-USD; the policy's price of the tool unless set. */
  costMicrousd?: number
  /** What the call has cost in the end, in micro-USD; the reserved amount unless set. */
  actualCostMicrousd?: (result: unknown) => number
  /**
   * Never make the call a second time, even when a process died while it was under way: the call then counts as failed. By
   * default it is made again, with the same idempotency key.
   */
  atMostOnce?: boolean
}

/** What a tool is given besides its args. */
export type ToolCall = {
  /** The same in every attempt: for systems that drop what they were asked for before. */
  idempotencyKey: string
  signal: AbortSignal
}

export type Calling<Args> = {
  tool: string
  args: Args
  options?: GovernOptions | undefined
  /** Checks args that an approver has changed, and returns them as the work wants them. */
  check?: (args: Args) => Promise<Args> | Args
  work: (args: Args, call: ToolCall) => unknown
  /** Whether a result tells of a failure. */
  isFailure?: (result: unknown) => boolean
}

export type Outcome =
  | { ended: 'blocked'; reason: string }
  | (Ending & { authorizationId: string; costMicrousd?: number; edited?: Record<string, unknown> })
type Ending = { ended: 'succeeded'; result?: unknown } | { ended: 'failed'; message: string; result?: unknown }

const TOOL_CHARS_MAX = 80
/** As much as a step keeps, less what stands around the result. */
const RESULT_BYTES_MAX = 1_000_000
/** More of a result is not worth recording twice: the kept one is complete. */
const RECORDED_CHARS_MAX = 16_384

export async function governedCall<Args>(governing: Governing, calling: Calling<Args>): Promise<Outcome> {
  const { gate, step } = governing
  const { tool, args } = calling
  try {
    mayGoOn(governing)
    const name = await nameOf(governing, tool, args)
    return await gate.pass(async () => {
      let isNew = false
      const decideAndMake = (call: ToolCall) => {
        isNew = true
        return decided(governing, calling, { ...call, name })
      }
      const recorded = {
        tool,
        input: plainJson(args) ?? null,
        output: shown,
        status: (it: unknown) => STATUS[(it as Outcome).ended],
      }
      const outcome = (await step(name, decideAndMake, recorded)) as Outcome
      if (outcome.ended !== 'blocked') await settle(governing, outcome, isNew)
      return outcome
    })
  } catch (error) {
    governing.broken ??= { error }
    throw error
  }
}

const STATUS = { succeeded: 'completed', failed: 'failed', blocked: 'blocked' } as const

/** The result of a call, or the error that it ended with. */
export function resultOf(tool: string, outcome: Outcome): unknown {
  if (outcome.ended === 'blocked') throw new ToolBlocked(tool, outcome.reason)
  if (outcome.ended === 'failed') throw new ToolFailed(tool, outcome.message)
  return outcome.result
}

/** Throws when the attempt has to end, whatever a library has made of the error that said so. */
export function mayGoOn({ signal, broken }: Governing): void {
  signal.throwIfAborted()
  if (broken) throw broken.error
}

/** A call is known by its tool and its args, so it is the same call when a model asks for it again. */
async function nameOf({ counts }: Governing, tool: string, args: unknown): Promise<string> {
  const bytes = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`${tool}\n${sortedJson(args)}`))
  const hash = [...new Uint8Array(bytes, 0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  const name = `${beginOf(tool, TOOL_CHARS_MAX)} ${hash}`
  const count = (counts.get(name) ?? 0) + 1
  counts.set(name, count)
  return count === 1 ? name : `${name} ${count}`
}

type Named = ToolCall & { name: string }

async function decided<Args>(governing: Governing, calling: Calling<Args>, call: Named): Promise<Outcome> {
  const { authorization_id, state, decision, reason, params } = await authorize(governing, calling, call.name)
  if (decision !== 'allowed') return { ended: 'blocked', reason }
  const authorizationId = authorization_id
  // It is settled after its outcome was kept; then this code is not reached.
  if (state === 'settled') return { ended: 'failed', message: madeBefore(calling.tool), authorizationId }
  const edited = params === null || sortedJson(params) === sortedJson(calling.args) ? undefined : params
  const ending = await made(governing, { ...calling, edited }, call)
  const { actualCostMicrousd } = calling.options ?? {}
  return {
    ...ending,
    authorizationId,
    ...(edited && { edited }),
    ...(actualCostMicrousd && ending.ended === 'succeeded' && { costMicrousd: actualCostMicrousd(ending.result) }),
  }
}

const madeBefore = (tool: string): string =>
  `An earlier attempt began the call of ${tool}, and ended before the outcome was kept. It is not made again.`

type Edited = { edited: Record<string, unknown> | undefined }

async function made<Args>(governing: Governing, calling: Calling<Args> & Edited, call: Named): Promise<Ending> {
  const { tool, options, check, work, isFailure, edited } = calling
  if (options?.atMostOnce && !(await beginOnce(governing, call.name))) {
    return { ended: 'failed', message: madeBefore(tool) }
  }
  try {
    const args = edited === undefined ? calling.args : await (check ?? ((it) => it))(edited as Args)
    const result = plainJson(await work(args, { idempotencyKey: call.idempotencyKey, signal: call.signal }))
    const bytes = new TextEncoder().encode(JSON.stringify(result) ?? '').length
    if (bytes > RESULT_BYTES_MAX) {
      const message = `The result of ${tool} has ${bytes} bytes of JSON, and at most ${RESULT_BYTES_MAX} are kept.`
      return { ended: 'failed', message }
    }
    if (isFailure?.(result)) return { ended: 'failed', message: `${tool} failed`, result }
    return { ended: 'succeeded', result }
  } catch (error) {
    // Being told to stop is no failure of the tool: the next attempt makes the call.
    governing.signal.throwIfAborted()
    return { ended: 'failed', message: error instanceof Error ? error.message || error.name : String(error) }
  }
}

/** False when an earlier attempt has begun it. */
async function beginOnce({ attempt }: Governing, name: string): Promise<boolean> {
  const key = `began:${name}`
  const found = await attempt.getState({ key }).catch((error: unknown) => {
    if (!(error instanceof RunyardError) || error.code !== 'value_not_found') throw error
  })
  if (found?.value === true) return false
  await attempt.setState({ key, value: true })
  return true
}

type Decision = Awaited<ReturnType<Governing['attempt']['authorize']>>

async function authorize<Args>(governing: Governing, calling: Calling<Args>, key: string): Promise<Decision> {
  const { attempt, gate, signal } = governing
  const { tool, args, options = {} } = calling
  const { editable = [], assignee, expiresInSecs, costMicrousd } = options
  const plain = plainJson(args) ?? null
  const named = typeof plain === 'object' && plain !== null && !Array.isArray(plain) ? plain : {}
  const call = {
    tool,
    args: plain,
    key,
    editable_params: editable.filter((name) => Object.hasOwn(named, name)),
    ...(assignee !== undefined && { assignee }),
    ...(expiresInSecs !== undefined && { expires_in_secs: expiresInSecs }),
    ...(costMicrousd !== undefined && { cost_microusd: costMicrousd }),
  }
  const decision = await attempt.authorize(call)
  if (decision.decision !== 'asked') return decision
  const answered = await gate.rest(() => attempt.authorize({ ...call, wait: true }))
  // Nobody has decided: the run rests now, and its lease is gone.
  signal.throwIfAborted()
  return answered
}

type Made = Exclude<Outcome, { ended: 'blocked' }>

/** After a crash between keeping and settling, whoever comes by again settles. */
async function settle({ attempt }: Governing, outcome: Made, isNew: boolean): Promise<void> {
  const { authorizationId, ended, costMicrousd } = outcome
  if (!isNew) {
    const { state } = await attempt.authorization({ authorization_id: authorizationId })
    if (state !== 'reserved') return
  }
  await attempt.settle({
    authorization_id: authorizationId,
    outcome: ended,
    ...(costMicrousd !== undefined && { cost_microusd: costMicrousd }),
  })
}

function shown(outcome: unknown): unknown {
  const it = outcome as Outcome
  if (it.ended === 'blocked') return { blocked: it.reason }
  if (it.ended === 'failed' && it.result === undefined) return { error: it.message }
  const length = JSON.stringify(it.result)?.length ?? 0
  return length > RECORDED_CHARS_MAX ? { omitted_chars: length } : (it.result ?? null)
}
