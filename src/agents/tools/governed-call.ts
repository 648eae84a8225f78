// A governed tool call: its request and its outcome.

import type { Actor } from '#core/event.ts'
import { type PolicyReason, type RiskLevel, riskOf } from '#core/policy.ts'
import type { Cost } from '#core/usage/cost.ts'

export type ToolCall = {
  projectId: string
  agentId: string
  tool: string
  /** An object, most often as it was written. */
  args: object
  actor: Actor
  /** Undefined: the price in the agent's policy. */
  cost?: Cost | undefined
  /** The run that makes it, by the client's id. */
  runRef?: string | undefined
  step?: string | undefined
  /** Calls of one agent and tool with the same key are made once within a day. */
  key?: string | undefined
  /**
   * How long the same call without a key is not made again, unless its tool sets otherwise; omitted: it is always made.
   */
  dedupWindowSecs?: number
  /** The key belongs to this caller alone: an interrupted call resumes immediately. */
  resumes?: boolean
  signal?: AbortSignal | undefined
}

export type CallAnswer = {
  ok: boolean
  allowed: boolean
  decision: 'executed' | 'blocked' | 'dedup' | 'dry_run'
  reason: PolicyReason | 'tool_idempotency' | 'tool_error' | 'tool_not_found'
  riskLevel: RiskLevel
  /** An object, as the tool wrote it if it was called. */
  result: object
  /** It was not completed, because the caller wanted to stop. */
  aborted?: boolean
}

export const executed = (result: object): CallAnswer => ({
  ok: true,
  allowed: true,
  decision: 'executed',
  reason: 'ok',
  riskLevel: riskOf('ok'),
  result,
})

/** It was made and counts, but failed. */
export const failed = (error: string): CallAnswer => ({
  ok: false,
  allowed: true,
  decision: 'executed',
  reason: 'tool_error',
  riskLevel: 'medium',
  result: { error },
})

type Blocked = { reason: PolicyReason; riskLevel: RiskLevel; inputRequestId: string | null }

export const blocked = ({ reason, riskLevel, inputRequestId }: Blocked): CallAnswer => ({
  ok: false,
  allowed: false,
  decision: 'blocked',
  reason,
  riskLevel,
  result: inputRequestId ? { input_request_id: inputRequestId } : {},
})
