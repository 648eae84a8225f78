// What a person is asked who has to approve a call of an agent.
import { Json } from '#core/json/json.ts'
import type { NewAuthorization } from './authorizations.sql.ts'
import type { NewInputRequest } from './input-requests.sql.ts'

/** How a person is asked. */
export type Approval = {
  editableParams: string[]
  expiresInSecs: number
  assignee: string | null
  /** The key that makes the call, where it may not approve it as well. */
  askedByKey?: string | null
}

type ToApprove = Pick<NewAuthorization, 'projectId' | 'agentId' | 'tool'> & {
  runId?: string | undefined
  args?: unknown
  approval?: Approval | undefined
}

/** How long an approval may be outstanding before the call is denied. */
export const APPROVAL_SECS = 24 * 3600

export const approvalOf = (
  call: ToApprove,
  { id }: NewAuthorization,
  inputRequestId: string,
): Omit<NewInputRequest, 'eventId'> => ({
  id: inputRequestId,
  projectId: call.projectId,
  runId: call.runId ?? null,
  agentId: call.agentId,
  authorizationId: id,
  key: null,
  assignee: call.approval?.assignee ?? null,
  askedByKey: call.approval?.askedByKey ?? null,
  kind: 'approval',
  prompt: `May ${call.agentId} call ${call.tool}?`,
  params: shownArgs(call.args),
  editableParams: call.approval?.editableParams ?? [],
  schema: null,
  onExpiry: 'default',
  defaultAnswer: { approved: false },
  expiresInSecs: call.approval?.expiresInSecs ?? APPROVAL_SECS,
})

/** What an approver is shown of a call's arguments, at most: pages of requests have to stay ones that can be read. */
export const SHOWN_ARGS_BYTES_MAX = 64 * 1024

function shownArgs(args: unknown): Json {
  const shown = Json.of(args)
  if (shown.text === 'null') return Json.of({})
  const bytes = Buffer.byteLength(shown.text)
  if (bytes > SHOWN_ARGS_BYTES_MAX) return Json.of({ left_out: `${bytes} bytes` })
  return shown.isObject ? shown : Json.of({ args: shown })
}
