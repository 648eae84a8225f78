// What an alert is about, when it begins and ends, and whom to tell when.
import { DAY_MS } from './durations.ts'

/** The unit of what each kind counts. */
export const ALERT_UNITS = {
  dead_letters: 'runs',
  failure_rate: 'percent',
  failure_rate_rise: 'percentage points',
  queue_age: 'seconds',
  no_worker: 'seconds',
  question_unanswered: 'seconds',
  budget: 'percent',
  agent_disabled: 'agents',
  webhook_disabled: 'webhooks',
  seals: 'seconds',
  seals_broken: 'problems',
  duty_late: 'seconds',
  database_size: 'GiB',
  disk_used: 'percent',
} as const
export type AlertKind = keyof typeof ALERT_UNITS
export const ALERT_KINDS = Object.keys(ALERT_UNITS) as [AlertKind, ...AlertKind[]]

export type AlertSettings = {
  /** It fires when what is counted is this or more. */
  threshold: number
  /** The time that is looked back over, where something is counted over time. */
  windowSecs: number
  /** Fewer ended runs than this say nothing about a rate. */
  minRuns: number
  /** The time before the window that a rate is compared with. */
  pastDays: number
  job: string | null
  queue: string | null
  agent: string | null
}

type Defaults = Pick<AlertSettings, 'threshold'> & Partial<AlertSettings>
const DEFAULTS: Readonly<Record<AlertKind, Defaults>> = {
  dead_letters: { threshold: 1 },
  failure_rate: { threshold: 20, windowSecs: 900 },
  failure_rate_rise: { threshold: 10, windowSecs: 900 },
  queue_age: { threshold: 300 },
  no_worker: { threshold: 120 },
  question_unanswered: { threshold: 3_600 },
  budget: { threshold: 80 },
  agent_disabled: { threshold: 1 },
  webhook_disabled: { threshold: 1 },
  seals: { threshold: 300 },
  seals_broken: { threshold: 1 },
  duty_late: { threshold: 120 },
  database_size: { threshold: 100 },
  disk_used: { threshold: 90 },
}

const PLAIN: Omit<AlertSettings, 'threshold'> = {
  windowSecs: 300,
  minRuns: 20,
  pastDays: 1,
  job: null,
  queue: null,
  agent: null,
}

/** Settings that each kind knows; another one would be ignored, and is refused. */
const KNOWN: Readonly<Record<AlertKind, readonly (keyof AlertSettings)[]>> = {
  dead_letters: ['threshold', 'windowSecs', 'job'],
  failure_rate: ['threshold', 'windowSecs', 'minRuns', 'job'],
  failure_rate_rise: ['threshold', 'windowSecs', 'minRuns', 'pastDays', 'job'],
  queue_age: ['threshold', 'queue'],
  no_worker: ['threshold', 'queue'],
  question_unanswered: ['threshold'],
  budget: ['threshold', 'agent'],
  agent_disabled: ['threshold', 'agent'],
  webhook_disabled: ['threshold'],
  seals: ['threshold'],
  // One problem is as bad as many.
  seals_broken: [],
  duty_late: ['threshold'],
  database_size: ['threshold'],
  disk_used: ['threshold'],
}

export const settingsOf = (kind: AlertKind): readonly (keyof AlertSettings)[] => KNOWN[kind]

export const unknownSetting = (kind: AlertKind, settings: Partial<AlertSettings>): keyof AlertSettings | undefined =>
  (Object.keys(settings) as (keyof AlertSettings)[]).find((name) => !settingsOf(kind).includes(name))

export const wholeSettings = (kind: AlertKind, settings: Partial<AlertSettings>): AlertSettings => ({
  ...PLAIN,
  ...DEFAULTS[kind],
  ...settings,
})

/** What was counted; `names`: the first of the things that it is about. Null: too little to say anything. */
export type Measured = { value: number; names?: readonly string[] } | null

const WHAT: Readonly<Record<AlertKind, (value: string, settings: AlertSettings) => string>> = {
  dead_letters: (value, { windowSecs }) => `${counted(value, 'dead letter')} within ${spanOf(windowSecs)}`,
  failure_rate: (value, { windowSecs }) => `${value}% of the runs that ended within ${spanOf(windowSecs)} failed`,
  failure_rate_rise: (value, { windowSecs, pastDays }) =>
    `the failure rate of the last ${spanOf(windowSecs)} is ${counted(value, 'percentage point')} above ` +
    `that of the ${pastDays === 1 ? 'day' : `${pastDays} days`} before`,
  queue_age: (value) => `the oldest queued run has waited for ${value} s`,
  no_worker: (value) => `nobody has claimed due runs for ${value} s`,
  question_unanswered: (value) => `the oldest unanswered question has waited for ${value} s`,
  budget: (value) => `${value}% of a daily budget is spent`,
  agent_disabled: (value) => `${counted(value, 'agent')} ${areOf(value)} switched off`,
  webhook_disabled: (value) => `${counted(value, 'webhook')} ${areOf(value)} disabled`,
  seals: (value) => `the log has not been sealed for ${value} s`,
  seals_broken: () => 'the log does not match its seals',
  duty_late: (value) => `a background duty has not succeeded for ${value} s`,
  database_size: (value) => `the database has grown to ${value} GiB`,
  disk_used: (value) => `the disk of the embedded database is ${value}% full`,
}

const counted = (value: string, noun: string): string => `${value} ${noun}${value === '1' ? '' : 's'}`
const areOf = (value: string): string => (value === '1' ? 'is' : 'are')

/** One sentence, however many things it is about. */
export function alertSentence(kind: AlertKind, settings: AlertSettings, measured: NonNullable<Measured>): string {
  const value = String(Math.round(measured.value * 10) / 10)
  const { job, queue, agent } = settings
  const of = job ?? queue ?? agent
  const { names = [] } = measured
  return `${WHAT[kind](value, settings)}${of === null ? '' : ` (${of})`}${names.length > 0 ? `: ${names.join(', ')}` : ''}`
}

const spanOf = (secs: number): string => (secs % 60 === 0 ? `${secs / 60} min` : `${secs} s`)

export type OpenAlert = { toldAtMs: number | null }
export type AlertChange = {
  /** `begin` and `end` are events of the log. */
  change: 'none' | 'begin' | 'go on' | 'end'
  tell: 'fired' | 'still firing' | 'resolved' | null
}

type Looked = {
  open: OpenAlert | undefined
  measured: Measured
  threshold: number
  isSilenced: boolean
  repeatMs: number | null
  nowMs: number
}

/**
 * What follows from a look. A storm is one alert and one message, until it is over; one that began while the rule was
 * silenced is told when the silence ends, and its end only to those who were told of it.
 */
export function afterLook({ open, measured, threshold, isSilenced, repeatMs, nowMs }: Looked): AlertChange {
  const holds = measured !== null && measured.value >= threshold
  if (!open) return holds ? { change: 'begin', tell: isSilenced ? null : 'fired' } : { change: 'none', tell: null }
  if (!holds) return { change: 'end', tell: open.toldAtMs !== null && !isSilenced ? 'resolved' : null }
  if (isSilenced) return { change: 'go on', tell: null }
  if (open.toldAtMs === null) return { change: 'go on', tell: 'fired' }
  const isDue = repeatMs !== null && nowMs - open.toldAtMs >= repeatMs
  return { change: 'go on', tell: isDue ? 'still firing' : null }
}

const SEND_DELAY_MS = 2_000
const SEND_DELAY_MS_MAX = 3_600_000
const SEND_MS_MAX = DAY_MS

/** Milliseconds until a message is sent again that could not be; undefined when it is given up. */
export const resendInMs = ({ attempts, ageMs }: { attempts: number; ageMs: number }): number | undefined =>
  ageMs >= SEND_MS_MAX ? undefined : Math.min(SEND_DELAY_MS_MAX, SEND_DELAY_MS * 2 ** Math.min(attempts - 1, 20))
