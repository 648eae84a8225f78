// Every way a caller can be told "no". A code is public API: add freely, never rename.
// Core knows what went wrong, not what a 409 is; each HTTP surface maps codes to its own statuses and format.

export type FieldProblem = { field: string; message: string }

/** What became of a lease that is not held any more. */
export type LostLease = 'expired' | 'timed_out' | 'replaced'
const LOST: Readonly<Record<LostLease, string>> = {
  expired: 'expired before it was renewed or settled; the run goes on without that attempt',
  timed_out: 'ended when its attempt timed out; the run goes on without that attempt',
  replaced: 'is no longer held: another attempt or a stop replaced it',
}

const REFUSALS = {
  malformed: (it: { reason: string; position?: number; line?: number; column?: number }) => it.reason,
  invalid: (it: { fields: FieldProblem[] }) => it.fields.map((one) => `${one.field} ${one.message}`).join('; '),
  too_large: (it: { what: string; bytesMax: number }) => `${it.what} is larger than ${it.bytesMax} bytes.`,
  unsupported_media_type: (it: { contentType: string; takes: readonly string[] }) =>
    `This call takes ${it.takes.join(' or ')}, not ${it.contentType}.`,
  invalid_cursor: (_: object) => 'The cursor is not one that this list gave out.',
  unauthorized: (it: { reason: string }) => it.reason,
  forbidden: (it: { scope: string }) => `This key lacks the scope ${it.scope}.`,
  exceeds_own_rights: (it: { what: string }) => `This key may not give ${it.what}.`,
  wrong_credential: (it: { needs: string }) => `This call needs ${it.needs}.`,
  rate_limited: (it: { limit: string; retryAfterMs: number }) =>
    `Over the limit of ${it.limit}; try again in ${Math.ceil(it.retryAfterMs / 1000)} s.`,
  overloaded: (it: { what: string; retryAfterMs: number }) => `${it.what} is full; try again in a moment.`,
  route_not_found: (it: { method: string; path: string }) => `There is no ${it.method} ${it.path}.`,
  method_not_allowed: (it: { method: string; path: string; allowed: readonly string[] }) =>
    `${it.path} takes ${it.allowed.join(', ')}, not ${it.method}.`,
  project_not_found: (it: { projectId: string }) => `There is no project ${it.projectId}.`,
  project_exists: (it: { projectId: string }) => `There is a project ${it.projectId} already.`,
  key_not_found: (it: { keyId: string }) => `There is no API key ${it.keyId}.`,
  key_not_rotatable: (it: { keyId: string; reason: 'has expired' | 'has been rotated' }) =>
    `API key ${it.keyId} ${it.reason} already; rotate the key that is in use.`,
  job_not_found: (it: { job: string }) => `There is no job ${it.job}.`,
  job_exists: (it: { slug: string }) => `There is a job with the slug ${it.slug} already.`,
  version_not_found: (it: { job: string; version: number }) => `Job ${it.job} has no version ${it.version}.`,
  job_paused: (it: { job: string }) => `Job ${it.job} is paused and refuses new runs while it is.`,
  job_disabled: (it: { job: string }) => `Job ${it.job} is disabled.`,
  job_external: (it: { job: string }) => `Job ${it.job} is executed elsewhere; its runs begin with their first event.`,
  job_busy: (it: { job: string; runs: number }) => `Job ${it.job} has ${it.runs} runs that are not over.`,
  job_needed: (it: { job: string; dependents: readonly string[] }) =>
    `Job ${it.job} is what other jobs depend on: ${it.dependents.join(', ')}.`,
  pause_requested: (it: { runId: string }) =>
    `Run ${it.runId} has been told to pause: it should keep a checkpoint and stop.`,
  run_not_found: (it: { runId: string }) => `There is no run ${it.runId}.`,
  run_over: (it: { runId: string; state: string }) => `Run ${it.runId} is ${it.state} already.`,
  wrong_state: (it: { runId: string; state: string; needs: readonly string[] }) =>
    `Run ${it.runId} is ${it.state}; this needs ${it.needs.join(' or ')}.`,
  run_external: (it: { runId: string }) => `Run ${it.runId} is executed elsewhere; only its executor can do that.`,
  stale_lease: (it: { runId: string; lost?: LostLease; latestAttempt?: number }) =>
    `The lease on run ${it.runId} ${LOST[it.lost ?? 'replaced']}.`,
  depth_exceeded: (it: { depthMax: number }) => `Runs may be nested or continued ${it.depthMax} deep at most.`,
  idempotency_mismatch: (it: { key: string }) => `The idempotency key ${it.key} was used with a different request.`,
  idempotency_in_progress: (it: { key: string }) =>
    `The first request with the idempotency key ${it.key} is still at work.`,
  wait_not_found: (it: { eventKey: string }) => `No run waits for the event ${it.eventKey}.`,
  wait_key_taken: (it: { eventKey: string }) => `Another run waits for the event ${it.eventKey} already.`,
  dependency_not_found: (it: { dependency: string }) => `There is no dependency ${it.dependency}.`,
  dependency_exists: (it: { job: string; dependsOn: string }) => `Job ${it.job} depends on ${it.dependsOn} already.`,
  dependency_cycle: (it: { job: string; dependsOn: string }) =>
    `Job ${it.dependsOn} depends on ${it.job}, directly or through others: neither would ever begin.`,
  preset_not_found: (it: { preset: string }) => `There is no preset ${it.preset}.`,
  price_not_found: (it: { provider: string; model: string }) =>
    `This project has no price of its own for ${it.provider} ${it.model}.`,
  batch_not_found: (it: { batchId: string }) => `There is no batch ${it.batchId}.`,
  operation_not_found: (it: { operationId: string }) => `There is no operation ${it.operationId}.`,
  operation_over: (it: { operationId: string; state: string }) => `Operation ${it.operationId} is ${it.state} already.`,
  agent_not_found: (it: { agentId: string }) => `There is no agent ${it.agentId}.`,
  tool_not_found: (it: { tool: string }) => `There is no tool ${it.tool} that may be called here.`,
  lease_not_found: (it: { key: string }) => `Nothing is known of the key ${it.key}.`,
  not_lease_holder: (it: { key: string; leaseId: string }) => `The key ${it.key} is not held under ${it.leaseId}.`,
  lease_over: (it: { key: string; state: string }) => `The lease on ${it.key} is ${it.state} already.`,
  authorization_not_found: (it: { authorizationId: string }) => `There is no authorization ${it.authorizationId}.`,
  authorization_not_reserved: (it: { authorizationId: string }) =>
    `The call ${it.authorizationId} is not reserved: it was not allowed, or is settled already.`,
  input_not_found: (it: { inputRequestId: string }) => `There is no input request ${it.inputRequestId}.`,
  input_over: (it: { inputRequestId: string; state: string }) =>
    `Input request ${it.inputRequestId} is ${it.state} already.`,
  file_not_found: (it: { fileId: string }) => `There is no file ${it.fileId}.`,
  event_not_found: (it: { eventId: string }) => `There is no event ${it.eventId}.`,
  correlation_not_found: (it: { correlationId: string }) => `There is no event of the chain ${it.correlationId}.`,
  reserved_type: (it: { type: string }) => `Events of type ${it.type} are written by the engine only.`,
  payload_gone: (it: { runId: string }) => `The payload of run ${it.runId} is older than payloads are kept.`,
  checkpoint_not_found: (it: { runId: string; number: number }) => `Run ${it.runId} has no checkpoint ${it.number}.`,
  value_not_found: (it: { key: string }) => `There is no value under the key ${it.key}.`,
  endpoint_refused: (it: { field: string; reason: string }) => `${it.field}: ${it.reason}`,
  unavailable: (it: { what: string; retryAfterMs: number }) => `${it.what} cannot be reached right now.`,
}

export type RefusalCode = keyof typeof REFUSALS
export const REFUSAL_CODES = Object.keys(REFUSALS) as RefusalCode[]
export type RefusalDetails<Code extends RefusalCode> = Parameters<(typeof REFUSALS)[Code]>[0]

/** An expected "no": the caller's fault, or a rule. Anything else that is thrown is our bug. */
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

/** A refusal of one field, for rules that a schema cannot say. */
export const refuseField = (field: string, message: string): Refusal =>
  refuse('invalid', { fields: [{ field, message }] })
