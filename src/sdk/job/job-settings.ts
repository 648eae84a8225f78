// The settings of a job as its definition writes them, and as the server takes them.
import { JobInput } from '#contract/job.ts'
import { type CamelFields, wireFields } from './camel-case.ts'

type Cron = {
  /** For example `0 3 * * *`: at three every night. */
  expression: string
  /** IANA time zone of the expression; UTC unless it is set. */
  timezone?: string
  /** Payload of the runs that it triggers. */
  payload?: unknown
  /** What a tick does while a run of the job has not ended: start another (allow), skip the tick, or cancel that run. */
  overlap?: JobInput['cron_overlap_policy']
  /** What happens to ticks that were missed while Runyard was down: none (skip), one or all of them are run. */
  missed?: JobInput['cron_missed_policy']
}

type WireSettings = Omit<
  JobInput,
  | 'slug'
  | 'execution'
  | 'payload_schema'
  | 'result_schema'
  | 'cron'
  | 'timezone'
  | 'cron_payload'
  | 'cron_overlap_policy'
  | 'cron_missed_policy'
  | 'rate_limit'
  | 'throttle'
  | 'debounce'
>

type Rate = {
  /** How many within any period; 1 to 10,000. */
  limit: number
  /** Length of the period in seconds; 1 to 86,400. */
  periodSecs: number
  /** JSON Pointer into the payload, such as `/customer/id`: each value there is counted by itself. */
  key?: string | null
}

type Debounce = {
  /** The run starts this many seconds after the last trigger; 1 to 86,400. */
  periodSecs: number
  /** It starts at most this many seconds after the first one; up to 604,800 (7 days), which is the default. */
  maxDelaySecs?: number | null
  /** JSON Pointer into the payload, such as `/document/id`: triggers with the same value there are one run. */
  key?: string | null
}

/** The fields of a job in the API, in camelCase. `queue` defaults to the job's name. */
export type JobSettings = CamelFields<WireSettings> & {
  cron?: string | Cron
  /** At most so many triggers within a period; those beyond it are refused with `job_rate_limited`. */
  rateLimit?: Rate | null
  /** At most so many starts within a period; the other runs wait in the queue, first in, first out. */
  throttle?: Rate | null
  /** Triggers in quick succession are one run, with the last payload. */
  debounce?: Debounce | null
}

const SLUG = /^[a-z0-9][a-z0-9_-]{0,62}$/
const DERIVED = ['slug', 'execution', 'payloadSchema', 'resultSchema']

const camelOf = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
const KNOWN: ReadonlySet<string> = new Set(
  Object.keys(JobInput.properties)
    .map(camelOf)
    .filter((name) => !DERIVED.includes(name) && !/^(cron.+|timezone)$/.test(name)),
)

/** Refuses what the server would refuse, but where it was written, and before anything is sent. */
export function checkSettings(name: string, settings: Record<string, unknown>): void {
  if (!SLUG.test(name)) {
    throw new TypeError(`The name of a job must match ${SLUG.source}, and "${name}" does not`)
  }
  for (const setting of Object.keys(settings)) {
    if (!KNOWN.has(setting)) throw new TypeError(`Job ${name} has an unknown setting: ${setting}${hintFor(setting)}`)
  }
}

function hintFor(setting: string): string {
  if (/^(timezone|cron.+)$/.test(setting)) return '. Write cron: { expression, timezone, payload, overlap, missed }'
  const plain = (text: string) => text.toLowerCase().replaceAll('_', '')
  const meant = [...KNOWN].find((known) => plain(known) === plain(setting) || plain(known) === `${plain(setting)}s`)
  return meant === undefined ? '' : `. Did you mean ${meant}?`
}

/** The fields that the definition sets. Those that it leaves out keep their value on the server. */
export function wireSettings({ cron, rateLimit, throttle, debounce, ...settings }: JobSettings): Partial<JobInput> {
  return {
    ...(wireFields(settings) as Partial<JobInput>),
    ...cronFields(cron),
    ...(rateLimit !== undefined && { rate_limit: rateLimit && rateFields(rateLimit) }),
    ...(throttle !== undefined && { throttle: throttle && rateFields(throttle) }),
    ...(debounce !== undefined && {
      debounce: debounce && {
        period_secs: debounce.periodSecs,
        max_delay_secs: debounce.maxDelaySecs ?? null,
        key: debounce.key ?? null,
      },
    }),
  }
}

const rateFields = ({ limit, periodSecs, key = null }: Rate) => ({ limit, period_secs: periodSecs, key })

function cronFields(cron: JobSettings['cron']): Partial<JobInput> {
  // A schedule that was deleted from the code must not go on.
  if (cron === undefined) return { cron: null }
  if (typeof cron === 'string') return { cron }
  const { expression, timezone, payload, overlap, missed } = cron
  return {
    cron: expression,
    ...(timezone !== undefined && { timezone }),
    ...(payload !== undefined && { cron_payload: payload }),
    ...(overlap !== undefined && { cron_overlap_policy: overlap }),
    ...(missed !== undefined && { cron_missed_policy: missed }),
  }
}
