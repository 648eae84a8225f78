// What each kind of rule counts, in words.
import { ALERT_UNITS, type AlertKind } from '#core/alert.ts'
import type { Rule } from '../../../api/alerts.ts'
import { count, duration } from '../../../look/words.ts'

export const KIND_WORDS: Readonly<Record<AlertKind, string>> = {
  dead_letters: 'Dead letters',
  failure_rate: 'Failure rate',
  queue_age: 'Age of the oldest queued run',
  no_worker: 'Nobody claims from a queue',
  question_unanswered: 'Unanswered question',
  budget: 'Budget spent',
  agent_disabled: 'Agents that are switched off',
  webhook_disabled: 'Webhooks that were disabled',
  seals: 'Log is not sealed',
}

/** A number of a rule with its unit. */
export function amount(kind: AlertKind, value: number): string {
  const unit = ALERT_UNITS[kind]
  if (unit === 'seconds') return duration(value * 1000)
  if (unit === 'percent') return `${Math.round(value * 10) / 10} %`
  return `${count(value)} ${value === 1 ? unit.replace(/s$/, '') : unit}`
}

/** When the rule holds. */
export function conditionOf({ kind, threshold, window_secs, job, queue, agent }: Rule): string {
  const isOverTime = kind === 'dead_letters' || kind === 'failure_rate'
  const of = job ?? queue ?? agent
  return [
    `${KIND_WORDS[kind]} ≥ ${amount(kind, threshold)}`,
    isOverTime && `within ${duration(window_secs * 1000)}`,
    of !== null && `of ${of}`,
  ]
    .filter((part) => part !== false)
    .join(' ')
}
