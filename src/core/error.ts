// Every way to refuse a caller. A code is public API: add freely, never rename. Core knows what went wrong, not which
// HTTP status that is; each HTTP surface maps codes to its own statuses and format.

import type { PlanKind, PlanName } from './usage/plan.ts'

export type FieldProblem = { field: string; message: string }

/** What happened to a lease that is no longer held. */
export type LostLease = 'expired' | 'timed_out' | 'replaced'
const LOST: Readonly<Record<LostLease, string>> = {
  expired: 'expired before it was renewed or settled; the run goes on without that attempt',
  timed_out: 'ended when its attempt timed out; the run goes on without that attempt',
  replaced: 'is no longer held: another attempt or a stop replaced it',
}

const QUOTA_WORDS: Readonly<Record<PlanKind, string>> = { make: 'locks', ai: 'leases and governed calls' }

const REFUSALS = {
  malformed: (it: { reason: string; position?: number; line?: number; column?: number }) => it.reason,
  invalid: (it: { fields: FieldProblem[] }) => it.fields.map((one) => `${one.field} ${one.message}`).join('; '),
  too_large: (it: { what: string; bytesMax: number }) => `${it.what} exceeds ${it.bytesMax} bytes.`,
  unsupported_media_type: (it: { contentType: string; takes: readonly string[] }) =>
    `This call accepts ${it.takes.join(' or ')}, not ${it.contentType}.`,
  invalid_cursor: (_: object) => 'Invalid cursor: pass next_cursor of an earlier page of this list, unchanged.',
  unauthorized: (it: { reason: string }) => it.reason,
  forbidden: (it: { scope: string; holder?: 'role' }) =>
    it.holder === 'role'
      ? `Your role in this project lacks the scope ${it.scope}.`
      : `This key lacks the scope ${it.scope}.`,
  exceeds_own_rights: (it: { what: string }) => `This key cannot grant ${it.what}.`,
  wrong_origin: (it: { origin: string | null }) =>
    it.origin === null
      ? 'A call with a session cookie that changes something must have the header Origin.'
      : `Calls from ${it.origin} are not allowed to change anything here.`,
  not_admitted: (it: { reason: string }) => it.reason,
  link_over: (_: object) => 'This link has expired, or was used already; ask for a new one.',
  email_taken: (_: object) =>
    'Somebody with this e-mail address has an account already: sign in with it, then accept the invitation.',
  last_owner: (_: object) => 'An installation needs an owner; make somebody else one first.',
  user_not_found: (it: { userId: string }) => `User ${it.userId} not found.`,
  invitation_not_found: (it: { invitationId: string }) => `Invitation ${it.invitationId} not found.`,
  session_not_found: (it: { sessionId: string }) => `Session ${it.sessionId} not found.`,
  wrong_credential: (it: { needs: string }) => `This call requires ${it.needs}.`,
  rate_limited: (it: { limit: string; retryAfterMs: number }) =>
    `Rate limit of ${it.limit} exceeded; retry in ${Math.ceil(it.retryAfterMs / 1000)} s.`,
  overloaded: (it: { what: string; retryAfterMs: number }) => `${it.what} is full; retry in a moment.`,
  route_not_found: (it: { method: string; path: string }) => `No route matches ${it.method} ${it.path}.`,
  method_not_allowed: (it: { method: string; path: string; allowed: readonly string[] }) =>
    `${it.path} allows ${it.allowed.join(', ')}, not ${it.method}.`,
  project_not_found: (it: { projectId: string }) => `Project ${it.projectId} not found.`,
  project_exists: (it: { projectId: string }) => `Project ${it.projectId} already exists.`,
  key_not_found: (it: { keyId: string }) => `API key ${it.keyId} not found.`,
  key_not_rotatable: (it: { keyId: string; reason: 'has expired' | 'has been rotated' }) =>
    `API key ${it.keyId} ${it.reason} already; rotate the key that is in use.`,
  job_not_found: (it: { job: string }) => `Job ${it.job} not found.`,
  job_exists: (it: { slug: string }) => `A job with slug "${it.slug}" already exists.`,
  version_not_found: (it: { job: string; version: number | string }) => `Job ${it.job} has no version ${it.version}.`,
  job_paused: (it: { job: string }) => `Job ${it.job} is paused and refuses new runs.`,
  job_disabled: (it: { job: string }) => `Job ${it.job} is disabled.`,
  job_external: (it: { job: string }) =>
    `Runs of job ${it.job} are executed externally and start with their first event.`,
  job_rate_limited: (it: { job: string; key: string; limit: number; periodSecs: number; retryAfterMs: number }) =>
    `Job ${it.job} accepts ${it.limit} triggers per ${it.periodSecs} s${it.key === '' ? '' : ` for each key, and those for "${it.key}" are used`}; retry in ${Math.ceil(it.retryAfterMs / 1000)} s.`,
  job_busy: (it: { job: string; runs: number }) => `Job ${it.job} still has ${it.runs} active runs.`,
  job_needed: (it: { job: string; dependents: readonly string[] }) =>
    `Other jobs depend on job ${it.job}: ${it.dependents.join(', ')}.`,
  pause_requested: (it: { runId: string }) => `Run ${it.runId} was asked to pause; save a checkpoint and stop.`,
  run_not_found: (it: { runId: string }) => `Run ${it.runId} not found.`,
  run_over: (it: { runId: string; state: string }) => `Run ${it.runId} is already ${it.state}.`,
  wrong_state: (it: { runId: string; state: string; needs: readonly string[] }) =>
    `Run ${it.runId} is ${it.state}; this call requires ${it.needs.join(' or ')}.`,
  run_external: (it: { runId: string }) => `Run ${it.runId} is executed externally; only its executor can do that.`,
  stale_lease: (it: { runId: string; lost?: LostLease; latestAttempt?: number }) =>
    `The lease on run ${it.runId} ${LOST[it.lost ?? 'replaced']}.`,
  depth_exceeded: (it: { depthMax: number }) => `Runs may be nested or continued at most ${it.depthMax} levels deep.`,
  idempotency_mismatch: (it: { key: string }) => `Idempotency key ${it.key} was used with a different request.`,
  idempotency_in_progress: (it: { key: string }) => `A request with idempotency key ${it.key} is still in progress.`,
  wait_not_found: (it: { eventKey: string }) => `No run is waiting for event ${it.eventKey}.`,
  wait_mismatch: (it: { key: string }) =>
    `Wait key "${it.key}" was already used in this run for something else; give each wait its own key.`,
  wait_cycle: (it: { runId: string }) =>
    `One of the awaited runs is already waiting for run ${it.runId}, directly or through others.`,
  too_many_kept_events: (it: { eventsMax: number; bytesMax: number }) =>
    `The project already keeps the maximum of ${it.eventsMax} events or ${it.bytesMax} bytes.`,
  wait_key_taken: (it: { eventKey: string }) => `Another run is already waiting for event ${it.eventKey}.`,
  dependency_not_found: (it: { dependency: string }) => `Dependency ${it.dependency} not found.`,
  dependency_exists: (it: { job: string; dependsOn: string }) => `Job ${it.job} already depends on ${it.dependsOn}.`,
  dependency_cycle: (it: { job: string; dependsOn: string }) =>
    `Job ${it.dependsOn} already depends on ${it.job}, directly or through other jobs. The cycle would keep both from starting.`,
  preset_not_found: (it: { preset: string }) => `Preset ${it.preset} not found.`,
  price_not_found: (it: { provider: string; model: string }) =>
    `This project has no custom price for ${it.provider} ${it.model}.`,
  batch_not_found: (it: { batchId: string }) => `Batch ${it.batchId} not found.`,
  operation_not_found: (it: { operationId: string }) => `Operation ${it.operationId} not found.`,
  operation_over: (it: { operationId: string; state: string }) => `Operation ${it.operationId} is already ${it.state}.`,
  quota_exceeded: (it: { plan: PlanName; kind: PlanKind; limit: number; usage: number }) =>
    `The plan ${it.plan} includes ${it.limit} ${QUOTA_WORDS[it.kind]} a month, and all are used.`,
  plan_feature_missing: (it: { plan: string; feature: string; from: string }) =>
    `The plan ${it.plan} has no ${it.feature.replace('_', ' ')}; it begins with the plan ${it.from}.`,
  plan_limit_reached: (it: { plan: string; what: string; limit: number }) =>
    `The plan ${it.plan} has room for ${it.limit} ${it.what}.`,
  agent_not_found: (it: { agentId: string }) => `Agent ${it.agentId} not found.`,
  tool_not_found: (it: { tool: string }) => `Tool ${it.tool} not found, or not callable here.`,
  lease_not_found: (it: { key: string }) => `No lease found for key ${it.key}.`,
  not_lease_holder: (it: { key: string; leaseId: string }) => `Key ${it.key} is not held by lease ${it.leaseId}.`,
  lease_over: (it: { key: string; state: string }) => `The lease on ${it.key} is already ${it.state}.`,
  authorization_not_found: (it: { authorizationId: string }) => `Authorization ${it.authorizationId} not found.`,
  authorization_not_reserved: (it: { authorizationId: string }) =>
    `Call ${it.authorizationId} is not reserved: it was not allowed, or is already settled.`,
  input_not_found: (it: { inputRequestId: string }) => `Input request ${it.inputRequestId} not found.`,
  input_over: (it: { inputRequestId: string; state: string }) =>
    `Input request ${it.inputRequestId} is already ${it.state}.`,
  own_question: (it: { inputRequestId: string }) =>
    `Input request ${it.inputRequestId} was asked by a call of this very key; somebody else must answer it.`,
  tool_server_not_found: (it: { name: string }) => `Tool server ${it.name} not found.`,
  webhook_not_found: (it: { webhookId: string }) => `Webhook ${it.webhookId} not found.`,
  alert_rule_not_found: (it: { ruleId: string }) => `Alert rule ${it.ruleId} not found.`,
  alert_channel_not_found: (it: { channelId: string }) => `Alert channel ${it.channelId} not found.`,
  delivery_not_found: (it: { deliveryId: string }) => `Delivery ${it.deliveryId} not found; only recent ones are kept.`,
  hook_not_found: (it: { hookId?: string }) =>
    it.hookId ? `Hook ${it.hookId} not found.` : 'No hook has this address.',
  file_not_found: (it: { fileId: string }) => `File ${it.fileId} not found.`,
  event_not_found: (it: { eventId: string }) => `Event ${it.eventId} not found.`,
  correlation_not_found: (it: { correlationId: string }) => `No events found for correlation ${it.correlationId}.`,
  reserved_type: (it: { type: string }) => `Only the engine can write events of type ${it.type}.`,
  payload_gone: (it: { runId: string }) => `The payload of run ${it.runId} is past its retention period.`,
  checkpoint_not_found: (it: { runId: string; number: number }) => `Run ${it.runId} has no checkpoint ${it.number}.`,
  value_not_found: (it: { key: string }) => `No value found for key ${it.key}.`,
  endpoint_refused: (it: { field: string; reason: string }) => `${it.field}: ${it.reason}`,
  unavailable: (it: { what: string; retryAfterMs: number }) => `${it.what} is currently unreachable.`,
}

export type RefusalCode = keyof typeof REFUSALS
export const REFUSAL_CODES = Object.keys(REFUSALS) as RefusalCode[]
export type RefusalDetails<Code extends RefusalCode> = Parameters<(typeof REFUSALS)[Code]>[0]

/** An expected refusal: the caller's mistake, or a rule. Any other thrown error is our bug. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: RefusalCode
  readonly details: object
  constructor(code: RefusalCode, message: string, details: object) {
    super(message)
    this.code = code
    this.details = details
  }
}

export function refuse<Code extends RefusalCode>(code: Code, details: RefusalDetails<Code>): Refusal {
  const sentence = REFUSALS[code] as (it: RefusalDetails<Code>) => string
  return new Refusal(code, sentence(details), details)
}

/** A refusal of one field, for rules that a schema cannot express. */
export const refuseField = (field: string, message: string): Refusal =>
  refuse('invalid', { fields: [{ field, message }] })
