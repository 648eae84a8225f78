// A call of an agent through the gateway: what is asked for, and how it ended.
import type { Actor } from '#core/event.ts'
import type { PolicyReason } from '#core/policy.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'
import type { ToolResult } from './call-server.ts'
import type { Offered } from './offered-tools.ts'

export type GatewayCall = {
  projectId: string
  agentId: string
  actor: Actor
  /** The key that the call was made with: it may not approve it as well. */
  keyId: string | null
  run: RunRow
  /** Of the attempt that makes the call, where its token was sent. */
  leaseToken: string | undefined
  offered: Offered
  args: Record<string, unknown>
  /** Calls of one agent, run and tool with the same key are made once within a day. */
  key: string | undefined
  /** How long it waits for a person who has to approve it. */
  waitMs: number
  /** The client has canceled, or is gone. */
  signal: AbortSignal
  /** The node stops: nothing more is waited for. */
  stopping: AbortSignal
  tell: (progress: Told) => void
}

export type Told = { message?: string | undefined; progress?: number; total?: number | undefined }

export type GatewayAnswer = {
  result: ToolResult
  decision: 'executed' | 'repeated' | 'blocked' | 'pending' | 'refused'
  reason?: PolicyReason
  authorizationId?: string
  inputRequestId?: string | null
}

const textOf = (text: string) => ({ type: 'text', text })

export const toolError = (text: string): ToolResult => ({ content: [textOf(text)], isError: true })

const BLOCKED: Readonly<Record<PolicyReason, string>> = {
  ok: 'its policy does not allow it',
  approval_required: 'a person has to approve it first',
  agent_disabled: 'the agent is switched off',
  tool_explicitly_blocked: 'its policy blocks this tool',
  tool_not_in_allowed_list: 'its policy does not list this tool',
  max_actions_per_hour_exceeded: 'it has made all calls that its policy allows in an hour',
  max_calls_per_tool_exceeded: 'it has made all calls of this tool that its policy allows in a day',
  max_spend_usd_per_day_exceeded: 'the call would exceed what the agent may spend in a day',
  max_spend_usd_per_run_exceeded: 'the call would exceed what this run may spend',
  project_max_spend_usd_per_day_exceeded: 'the call would exceed what the project may spend in a day',
  approval_denied: 'the person who was asked has not approved it',
}

export function blockedAnswer({ agentId, offered }: GatewayCall, reason: PolicyReason, authorizationId: string) {
  const why = BLOCKED[reason]
  const text = `blocked (${reason}): ${agentId} may not make this call of ${offered.name}: ${why}. Do not repeat it.`
  return { result: toolError(text), decision: 'blocked', reason, authorizationId } as const satisfies GatewayAnswer
}

export function pendingAnswer(authorizationId: string, inputRequestId: string | null): GatewayAnswer {
  const text =
    `approval_required: a person has to approve this call first, and has not decided yet (request ${inputRequestId}). ` +
    'Call the tool again later with the same arguments: the call is then made, or the refusal is told.'
  return { result: toolError(text), decision: 'pending', reason: 'approval_required', authorizationId, inputRequestId }
}
