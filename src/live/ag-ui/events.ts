// The events of the AG-UI protocol that a run is told in (docs.ag-ui.com, version 1.0).

export type Interrupt = {
  id: string
  reason: 'input_required' | 'confirmation'
  message?: string
  metadata: Record<string, unknown>
}

export type PatchOperation = { op: 'replace'; path: string; value: unknown }

export type AgUiEvent = { timestamp?: number } & (
  | { type: 'RUN_STARTED'; threadId: string; runId: string }
  | { type: 'RUN_FINISHED'; threadId: string; runId: string; outcome: Outcome }
  | { type: 'RUN_ERROR'; message: string; code: string }
  | { type: 'STEP_STARTED' | 'STEP_FINISHED'; stepName: string }
  | { type: 'TEXT_MESSAGE_START'; messageId: string; role: 'assistant' }
  | { type: 'TEXT_MESSAGE_CONTENT'; messageId: string; delta: string }
  | { type: 'TEXT_MESSAGE_END'; messageId: string }
  | { type: 'TOOL_CALL_START'; toolCallId: string; toolCallName: string }
  | { type: 'TOOL_CALL_END'; toolCallId: string }
  | { type: 'TOOL_CALL_RESULT'; messageId: string; toolCallId: string; content: string; role: 'tool' }
  | { type: 'STATE_SNAPSHOT'; snapshot: RunProgress }
  | { type: 'STATE_DELTA'; delta: PatchOperation[] }
  | { type: 'CUSTOM'; name: string; value: unknown }
)

type Outcome = { type: 'success' } | { type: 'interrupt'; interrupts: Interrupt[] }

/** The state that a user interface shares with the run. */
export type RunProgress = {
  status: string
  attempt: number
  percent: number | null
  message: string | null
  model_calls: number
  total_tokens: number
  cost_microusd: number
}
