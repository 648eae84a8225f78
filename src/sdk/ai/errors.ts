// Why a governed call has no result, and why no model is called any more.
import { AttemptFailed } from '../worker/lease.ts'

/** The policy, or a person, did not allow the call. Another attempt would find the same. */
export class ToolBlocked extends AttemptFailed {
  override readonly name = 'ToolBlocked'
  readonly tool: string
  /** The rule that decided, such as `tool_explicitly_blocked`, or `approval_denied` for a refusal by a person. */
  readonly reason: string
  constructor(tool: string, reason: string) {
    super(
      reason === 'approval_denied'
        ? `A person did not approve the call of ${tool}. Do not make it again.`
        : `The policy does not allow the call of ${tool} (${reason}). Do not make it again.`,
      { code: 'tool_blocked', retryable: false },
    )
    this.tool = tool
    this.reason = reason
  }
}

/** The tool failed. A governed call is made once, so another attempt would find the same. */
export class ToolFailed extends AttemptFailed {
  override readonly name = 'ToolFailed'
  readonly tool: string
  constructor(tool: string, message: string) {
    super(message, { code: 'tool_failed', retryable: false })
    this.tool = tool
  }
}

/** A budget that model calls are charged to is spent. */
export class BudgetSpent extends AttemptFailed {
  override readonly name = 'BudgetSpent'
  /** The budget, such as `max_spend_usd_per_run_exceeded`. */
  readonly reason: string
  constructor({ reason, limit, spent }: { reason: string; limit: number; spent: number }) {
    super(`The model is not called again: ${spent} of ${limit} micro-USD are spent (${reason})`, {
      code: 'budget_spent',
      retryable: false,
    })
    this.reason = reason
  }
}
