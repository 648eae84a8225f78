// What a trigger asks for, in our words.

import type { RunInput } from '#contract/runs/run.ts'
import type { RunRequest } from '#runs/trigger/run-request.ts'
import { fromWire } from './words.ts'

export function runRequest(
  input: RunInput,
  more: { idempotencyKey?: string | undefined; traceparent?: string | undefined } = {},
): RunRequest {
  const { scheduled_at, parent_run_id: _, correlation_id: __, causation_id: ___, idempotency_key, ...rest } = input
  return {
    ...(fromWire(rest) as RunRequest),
    ...(scheduled_at !== undefined && { scheduledAt: new Date(scheduled_at) }),
    idempotencyKey: more.idempotencyKey ?? idempotency_key,
    traceparent: more.traceparent,
  }
}
