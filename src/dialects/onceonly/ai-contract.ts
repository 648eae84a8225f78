// OnceOnly's AI leases and its governed tool calls.
import { type Static, type TObject, type TProperties, Type } from 'typebox'
import { INT_MAX, nullable, objectAsWritten, optional, PATH_TEXT, pathText, text, whole } from '#contract/common.ts'
import { type Route, route } from '#contract/route.ts'
import { RUN_ID } from './runs-contract.ts'

const tag = 'AI'
const VALUE_BYTES_MAX = 256 * 1024
/** A million dollars. */
const USD_MAX = 1_000_000
export const ACTIONS_MAX = 50

export const KEY = text(256, 'Idempotency key of the work: everyone who sends it means the same work.', {
  minLength: 1,
})
export const AGENT_ID = pathText(128, 'Id of the agent: any string that its owner chooses.')
export const TOOL_NAME = text(128, 'Name of the tool.', { minLength: 1, pattern: `${PATH_TEXT}[A-Za-z0-9_.:-]+$` })
export const usd = (description: string) => Type.Number({ minimum: 0, maximum: USD_MAX, description })
const LEASE_ID = text(128, 'Id of the lease that the caller holds.', { minLength: 1 })
const TTL = whole(
  1,
  INT_MAX,
  "Seconds until the lease expires; defaults to the plan's usual time, and is capped at its longest.",
)
const maybe = <S extends Parameters<typeof nullable>[0]>(schema: S) => optional(nullable(schema))
const textOrNull = (description: string) => nullable(Type.String(), description)
const wholeOrNull = (description: string) => nullable(whole(0, Number.MAX_SAFE_INTEGER, description))

const STANDING = {
  ttl_left: wholeOrNull(
    'Seconds until the lease expires; null for the caller that just acquired it, and once it has ended.',
  ),
  lease_id: textOrNull('The lease on the key.'),
  version: nullable(whole(1, INT_MAX, 'Version of the lease; each extension increments it.')),
  first_seen_at: textOrNull('When the work started.'),
  done_at: textOrNull('When it ended.'),
  result_hash: textOrNull('Hash of the result or error, as reported by the holder.'),
  error_code: textOrNull('Why it failed.'),
  retry_after_sec: nullable(Type.Number(), 'Seconds until the next poll; null when there is nothing to wait for.'),
}

export const Lease = Type.Object(
  {
    ok: Type.Boolean(),
    status: Type.String({
      description:
        'acquired: the caller has the lease. polling: another caller has it. completed, failed: the work has ended.',
    }),
    key: KEY,
    ttl: whole(0, INT_MAX, 'Duration of the lease in seconds.'),
    ...STANDING,
    usage: whole(0, Number.MAX_SAFE_INTEGER, 'Leases acquired this month (UTC).'),
    limit: whole(0, Number.MAX_SAFE_INTEGER, 'Monthly limit of the plan.'),
    charged: whole(0, 1, '1 when this call counted against the limit, otherwise 0.'),
  },
  { title: 'Lease' },
)

const Governed = Type.Object(
  {
    ok: Type.Boolean({ description: 'Whether the call was made and returned a result.' }),
    allowed: Type.Boolean({ description: 'Whether the agent may make the call.' }),
    decision: Type.String({
      description: 'executed, blocked, or dedup: the result is that of an earlier, equal call.',
    }),
    policy_reason: Type.String({ description: 'The rule that decided.' }),
    risk_level: Type.String({ description: 'low, medium or high.' }),
    result: objectAsWritten('Response of the tool; a response that is not an object is wrapped as `{value}`.'),
  },
  { title: 'GovernedCall' },
)

/** The known fields of the metadata; it may have others. */
const freeForm = <P extends TProperties>(read: TObject<P>) =>
  optional(
    Type.Unsafe<Static<TObject<P>> | null>({ ...read, type: ['object', 'null'], 'x-bytes-max': VALUE_BYTES_MAX }),
  )

const Work = Type.Object({ run_id: maybe(RUN_ID), agent_id: maybe(AGENT_ID) })

export const leaseKey = route({
  method: 'POST',
  path: '/v1/ai/lease',
  needs: 'runs:write',
  tag,
  name: 'leaseKey',
  summary: 'Acquire the lease on a key, or get the status of the key.',
  description: `Of any number of concurrent callers, exactly one acquires the lease. The outcome is kept for 7 days. A
lease that expires can be acquired again. The work is a run, named by \`metadata.run_id\` or else by the key.`,
  body: Type.Object({
    key: KEY,
    ttl: maybe(TTL),
    metadata: freeForm(Work),
  }),
  replies: { 200: Lease },
})

const Action = Type.Object({
  tool: TOOL_NAME,
  args: maybe(objectAsWritten('Arguments of the call.')),
  spend_usd: maybe(usd("Cost of the call; defaults to the price in the agent's policy.")),
})

const Actions = Type.Object({
  ...Work.properties,
  actions: maybe(
    Type.Array(Action, {
      maxItems: 10_000,
      description: `Actions that Runyard executes, in order; only the first ${ACTIONS_MAX}.`,
    }),
  ),
  dry_run: maybe(Type.Boolean({ description: 'Evaluate each action against the policy without executing any.' })),
})

export const runAi = route({
  method: 'POST',
  path: '/v1/ai/run',
  needs: 'runs:write',
  tag,
  name: 'runAi',
  summary: 'Run the actions of a key in the background, or make one governed tool call.',
  description: `With \`key\`: like /v1/ai/lease, but Runyard executes the \`metadata.actions\` of the caller that acquires the lease, in order, until
one is blocked or fails; without actions the work completes immediately (to do the work yourself, use /v1/ai/lease). With \`agent_id\` and \`tool\`: the call is checked against the
agent's policy, made, and answered. For a day, a repeated call returns the first result: one with the same \`args.idempotency_key\`,
or without a key, one with the same args in the run \`args.run_id\`. A blocked call is not an error.`,
  body: Type.Object({
    key: maybe(KEY),
    ttl: maybe(TTL),
    metadata: freeForm(Actions),
    agent_id: maybe(AGENT_ID),
    tool: maybe(TOOL_NAME),
    args: maybe(objectAsWritten('Arguments of the call.', VALUE_BYTES_MAX)),
    spend_usd: maybe(usd("Cost of the call; defaults to the price in the agent's policy.")),
  }),
  replies: { 200: Type.Unsafe<Record<string, unknown>>({ anyOf: [Lease, Governed], title: 'LeaseOrGovernedCall' }) },
  refusals: ['tool_not_found'],
})

const KeyQuery = Type.Object({ key: KEY })

export const readStatus = route({
  method: 'GET',
  path: '/v1/ai/status',
  needs: 'runs:read',
  tag,
  name: 'readAiStatus',
  summary: 'Get the status of a key.',
  query: KeyQuery,
  replies: {
    200: Type.Object({
      ok: Type.Boolean(),
      status: Type.String({ description: 'in_progress, completed or failed.' }),
      key: KEY,
      ...STANDING,
    }),
  },
  refusals: ['lease_not_found'],
})

export const readResult = route({
  method: 'GET',
  path: '/v1/ai/result',
  needs: 'runs:read',
  tag,
  name: 'readAiResult',
  summary: 'Get the result of a key, which is kept for 7 days.',
  query: KeyQuery,
  replies: {
    200: Type.Object({
      ok: Type.Boolean(),
      status: Type.String({ description: 'in_progress, completed or failed.' }),
      key: KEY,
      result: nullable(objectAsWritten(''), 'Result of the work; null for none.'),
      result_hash: STANDING.result_hash,
      error_code: STANDING.error_code,
      done_at: STANDING.done_at,
    }),
  },
  refusals: ['lease_not_found'],
})

const held = <P extends TProperties>(properties: P) => Type.Object({ key: KEY, lease_id: LEASE_ID, ...properties })
const HELD = ['lease_not_found', 'not_lease_holder', 'lease_over'] as const

export const extendLease = route({
  method: 'POST',
  path: '/v1/ai/extend',
  needs: 'runs:write',
  tag,
  name: 'extendAiLease',
  summary: 'Extend the lease: its full duration starts again.',
  body: held({ ttl: maybe(TTL) }),
  replies: {
    200: Type.Object({
      ok: Type.Boolean(),
      status: Type.String({ description: 'extended' }),
      key: KEY,
      ttl: whole(0, INT_MAX, 'Seconds until the lease expires.'),
      lease_id: Type.String(),
      version: whole(1, INT_MAX, 'Version of the lease, incremented by one.'),
    }),
  },
  refusals: HELD,
})

const Ended = Type.Object(
  {
    ok: Type.Boolean(),
    status: Type.String({ description: 'completed, failed or cancelled.' }),
    key: KEY,
    lease_id: Type.String(),
    version: whole(1, INT_MAX, 'Version of the lease, unchanged.'),
    done_at: textOrNull('When it ended.'),
    result_hash: STANDING.result_hash,
    error_code: STANDING.error_code,
  },
  { title: 'EndedLease' },
)

const ending = { needs: 'runs:write', tag, replies: { 200: Ended }, refusals: HELD } as const

export const completeLease = route({
  ...ending,
  method: 'POST',
  path: '/v1/ai/complete',
  name: 'completeAiLease',
  summary: 'Complete the work with its result.',
  body: held({
    result: maybe(objectAsWritten('Result of the work.', VALUE_BYTES_MAX)),
    result_hash: maybe(text(256, 'Hash of the result, for comparison.')),
  }),
})

export const failLease = route({
  ...ending,
  method: 'POST',
  path: '/v1/ai/fail',
  name: 'failAiLease',
  summary: 'Fail the work.',
  body: held({
    error_code: text(256, 'Why.', { minLength: 1 }),
    error_hash: maybe(text(256, 'Hash of the error, for comparison.')),
  }),
})

export const cancelLease = route({
  ...ending,
  method: 'POST',
  path: '/v1/ai/cancel',
  name: 'cancelAiLease',
  summary: 'Cancel the work; its status is then failed.',
  body: held({ reason: maybe(text(500, 'Why.')) }),
})

export const ONCEONLY_AI_ROUTES: readonly Route[] = [
  leaseKey,
  runAi,
  readStatus,
  readResult,
  extendLease,
  completeLease,
  failLease,
  cancelLease,
]
