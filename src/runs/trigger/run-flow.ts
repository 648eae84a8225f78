// By which keys a trigger is counted, and merged with others: those that it gives itself, or those in its payload.
import { type Refusal, refuseField } from '#core/error.ts'
import type { JobDefinition } from '#core/job.ts'
import { Json } from '#core/json/json.ts'
import { scalarAt } from '#core/pointer.ts'
import type { Trigger } from '#core/run.ts'
import type { RunFlow } from '#run-state/insert/new-run.sql.ts'
import type { RunRequest } from './run-request.ts'

/** In characters, like the keys that a trigger gives itself. */
const KEY_LENGTH_MAX = 256
/** Of a debounce without a maximum of its own. */
const MAX_DELAY_SECS = 7 * 86_400

/**
 * Triggers, but not new runs that stand for old ones (replays, continuations), are counted and merged. A child is
 * counted, but never merged: it belongs to its own parent.
 */
const COUNTED: ReadonlySet<Trigger> = new Set(['manual', 'cron', 'event', 'spawn'])

type Flow = { flow: RunFlow | undefined; concurrencyKey: string | undefined }

/** With a throttle by key, the key of the run decides which starts are counted together, and so does its lane. */
export function flowOf(
  { rateLimit, throttle, debounce }: JobDefinition,
  request: RunRequest,
  triggeredBy: Trigger,
): Flow | Refusal {
  const { payload, concurrencyKey, rateLimitKey, debounceKey } = request
  const isCounted = COUNTED.has(triggeredBy)
  const isMerged = isCounted && triggeredBy !== 'spawn'
  const lane =
    throttle?.key == null ? concurrencyKey : keyOf(payload, { ...throttle, given: concurrencyKey }, 'throttle')
  const limited =
    isCounted && rateLimit ? keyOf(payload, { ...rateLimit, given: rateLimitKey }, 'rate_limit') : undefined
  const merged = isMerged && debounce ? keyOf(payload, { ...debounce, given: debounceKey }, 'debounce') : undefined
  for (const key of [lane, limited, merged]) if (key instanceof Error) return key
  const timed = request.delaySecs !== undefined ? 'delay_secs' : request.scheduledAt && 'scheduled_at'
  if (merged !== undefined && timed) return refuseField(timed, 'cannot be combined with the debounce of the job')
  const flow: RunFlow = {
    ...(limited !== undefined && { rateLimit: { ...rateLimit!, key: limited as string } }),
    ...(merged !== undefined && {
      debounce: {
        key: merged as string,
        periodMs: debounce!.periodSecs * 1000,
        maxDelayMs: (debounce!.maxDelaySecs ?? MAX_DELAY_SECS) * 1000,
      },
    }),
  }
  const isPlain = limited === undefined && merged === undefined
  return { flow: isPlain ? undefined : flow, concurrencyKey: lane as string | undefined }
}

/** Empty where the job counts all runs together. */
function keyOf(
  payload: unknown,
  { given, key: pointer }: { given: string | undefined; key: string | null },
  setting: string,
): string | Refusal {
  if (given !== undefined) return given
  if (pointer === null) return ''
  const key = scalarAt(Json.of(payload), pointer)
  if (key === undefined || key === '')
    return refuseField('payload', `has no text or number at ${pointer}, which the ${setting} of the job needs`)
  if (key.length > KEY_LENGTH_MAX)
    return refuseField('payload', `has more than ${KEY_LENGTH_MAX} characters at ${pointer}, which the ${setting} uses`)
  return key
}
