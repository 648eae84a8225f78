// OnceOnly's AI leases, and its governed calls of tools.
import { type Static, type TObject, type TProperties, Type } from 'typebox'
import { INT_MAX, jsonObject, nullable, optional, text, whole } from '#contract/common.ts'
import { type Route, route } from '#contract/route.ts'
import { RUN_ID } from './runs-contract.ts'

const tag = 'AI'
const VALUE_BYTES_MAX = 256 * 1024
/** A million dollars. */
const USD_MAX = 1_000_000
export const ACTIONS_MAX = 50

export const KEY = text(256, 'What is done once: all who name this key mean the same work.', { minLength: 1 })
export const AGENT_ID = text(128, 'Id of the agent: any string that its owner chose.', { minLength: 1 })
export const TOOL_NAME = text(128, 'Name of the tool.', { minLength: 1, pattern: '^[A-Za-z0-9_.:-]+$' })
export const usd = (description: string) => Type.Number({ minimum: 0, maximum: USD_MAX, description })
const LEASE_ID = text(128, 'The lease that the caller holds.', { minLength: 1 })
const TTL = whole(
  1,
  INT_MAX,
  "Seconds until the lease runs out; the plan's usual time when left out, and its longest at most.",
)
const maybe = <S extends Parameters<typeof nullable>[0]>(schema: S) => optional(nullable(schema))
const textOrNull = (description: string) => nullable(Type.String(), description)
const wholeOrNull = (description: string) => nullable(whole(0, Number.MAX_SAFE_INTEGER, description))

const STANDING = {
  ttl_left: wholeOrNull('Seconds until the lease runs out; null for who was given it just now, and when it is over.'),
  lease_id: textOrNull('The lease on the key.'),
  version: nullable(whole(1, INT_MAX, 'Counts up with each extension.')),
  first_seen_at: textOrNull('When the work began.'),
  done_at: textOrNull('When it ended.'),
  result_hash: textOrNull('What its holder said that its result, or its error, is recognised by.'),
  error_code: textOrNull('Why it failed.'),
  retry_after_sec: nullable(Type.Number(), 'When to ask again; null when there is nothing to wait for.'),
}

export const Lease = Type.Object(
  {
    ok: Type.Boolean(),
    status: Type.String({
      description: 'acquired: it is yours. polling: somebody works on it. completed, failed: it is done.',
    }),
    key: KEY,
    ttl: whole(0, INT_MAX, 'Seconds that the lease lasts.'),
    ...STANDING,
    usage: whole(0, Number.MAX_SAFE_INTEGER, 'Leases acquired in this month (UTC).'),
    limit: whole(0, Number.MAX_SAFE_INTEGER, 'What the plan has for a month.'),
    charged: whole(0, 1, 'Whether this call counted.'),
  },
  { title: 'Lease' },
)

const Governed = Type.Object(
  {
    ok: Type.Boolean({ description: 'Whether the call was made and brought its result.' }),
    allowed: Type.Boolean({ description: 'Whether the agent may make it.' }),
    decision: Type.String({
      description: 'executed, blocked, or dedup: it was made before, and this is what it brought.',
    }),
    policy_reason: Type.String({ description: 'Which rule decided.' }),
    risk_level: Type.String({ description: 'low, medium or high.' }),
    result: jsonObject('What the tool answered; what is no object stands in one under `value`.'),
  },
  { title: 'GovernedCall' },
)

/** What is read of the metadata, beside which there may be anything. */
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
  summary: 'Become the one who works on a key, or learn how it stands.',
  description: `Of any number of callers at once one acquires the lease. What it ends with answers for the key for 7 days. A
lease that runs out before may be acquired anew. The work is a run, named by \`metadata.run_id\` or else by the key.`,
  body: Type.Object({
    key: KEY,
    ttl: maybe(TTL),
    metadata: freeForm(Work),
  }),
  replies: { 200: Lease },
})

const Action = Type.Object({
  tool: TOOL_NAME,
  args: maybe(jsonObject('What it is called with.')),
  spend_usd: maybe(usd("What it costs; what the agent's policy says when left out.")),
})

const Actions = Type.Object({
  ...Work.properties,
  actions: maybe(
    Type.Array(Action, {
      maxItems: 10_000,
      description: `What is executed here, in order; the first ${ACTIONS_MAX} are.`,
    }),
  ),
  dry_run: maybe(Type.Boolean({ description: 'Judge each action as if it were made, and make none.' })),
})

export const runAi = route({
  method: 'POST',
  path: '/v1/ai/run',
  needs: 'runs:write',
  tag,
  name: 'runAi',
  summary: 'Run the actions of a key in the background, or make one governed call of a tool.',
  description: `With \`key\`: as /v1/ai/lease; who acquires it has \`metadata.actions\` executed here, one after the other, until
one is blocked or fails; without actions there is nothing to do, and it is completed (who works by himself takes /v1/ai/lease). With \`agent_id\` and \`tool\`: the call is judged by the
agent's policy, made, and answered. A repeated one brings the first one's result for a day: of the same \`args.idempotency_key\`,
or without one of the same args in the run \`args.run_id\`. A call that is blocked is no error.`,
  body: Type.Object({
    key: maybe(KEY),
    ttl: maybe(TTL),
    metadata: freeForm(Actions),
    agent_id: maybe(AGENT_ID),
    tool: maybe(TOOL_NAME),
    args: maybe(jsonObject('What the tool is called with.', VALUE_BYTES_MAX)),
    spend_usd: maybe(usd("What the call costs; what the agent's policy says when left out.")),
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
  summary: 'Learn how a key stands.',
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
  summary: 'Read what a key ended with; for 7 days.',
  query: KeyQuery,
  replies: {
    200: Type.Object({
      ok: Type.Boolean(),
      status: Type.String({ description: 'in_progress, completed or failed.' }),
      key: KEY,
      result: nullable(jsonObject(''), 'What it brought; null for nothing.'),
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
  summary: 'Go on working: the lease begins anew.',
  body: held({ ttl: maybe(TTL) }),
  replies: {
    200: Type.Object({
      ok: Type.Boolean(),
      status: Type.String({ description: 'extended' }),
      key: KEY,
      ttl: whole(0, INT_MAX, 'Seconds that the lease lasts from now.'),
      lease_id: Type.String(),
      version: whole(1, INT_MAX, 'One more than before.'),
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
    version: whole(1, INT_MAX, 'As it was.'),
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
  summary: 'Say what the work brought.',
  body: held({
    result: maybe(jsonObject('What it brought.', VALUE_BYTES_MAX)),
    result_hash: maybe(text(256, 'Of the result, for who compares.')),
  }),
})

export const failLease = route({
  ...ending,
  method: 'POST',
  path: '/v1/ai/fail',
  name: 'failAiLease',
  summary: 'Say that the work failed.',
  body: held({
    error_code: text(256, 'Why.', { minLength: 1 }),
    error_hash: maybe(text(256, 'Of the error, for who compares.')),
  }),
})

export const cancelLease = route({
  ...ending,
  method: 'POST',
  path: '/v1/ai/cancel',
  name: 'cancelAiLease',
  summary: 'Give the work up; it reads as failed from then on.',
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
