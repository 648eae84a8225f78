// What each kind of rule counts, in words.
import { ALERT_UNITS, type AlertKind, settingsOf } from '#core/alert.ts'
import type { Rule } from '../../../api/alerts.ts'
import { count, duration } from '../../../look/words.ts'

export const KIND_WORDS: Readonly<Record<AlertKind, string>> = {
  dead_letters: 'Dead letters',
  failure_rate: 'Failure rate',
  failure_rate_rise: 'Failure rate above its own past',
  queue_age: 'Age of the oldest queued run',
  no_worker: 'Nobody claims from a queue',
  question_unanswered: 'Unanswered question',
  budget: 'Budget spent',
  agent_disabled: 'Agents that are switched off',
  webhook_disabled: 'Webhooks that were disabled',
  seals: 'Log is not sealed',
  seals_broken: 'Log does not match its seals',
  duty_late: 'Background duty fails or is overdue',
  database_size: 'Size of the database',
  disk_used: 'Disk of the embedded database in use',
}

/** A number of a rule with its unit. */
export function amount(kind: AlertKind, value: number): string {
  const unit = ALERT_UNITS[kind]
  if (unit === 'seconds') return duration(value * 1000)
  const rounded = Math.round(value * 10) / 10
  if (unit === 'percent') return `${rounded} %`
  if (unit === 'GiB' || unit === 'percentage points') return `${rounded} ${unit}`
  return `${count(value)} ${value === 1 ? unit.replace(/s$/, '') : unit}`
}

/** When the rule holds. */
export function conditionOf({ kind, threshold, window_secs, job, queue, agent }: Rule): string {
  const known = settingsOf(kind)
  const isOverTime = known.includes('windowSecs')
  const of = job ?? queue ?? agent
  return [
    known.includes('threshold') ? `${KIND_WORDS[kind]} ≥ ${amount(kind, threshold)}` : KIND_WORDS[kind],
    isOverTime && `within ${duration(window_secs * 1000)}`,
    of !== null && `of ${of}`,
  ]
    .filter((part) => part !== false)
    .join(' ')
}
