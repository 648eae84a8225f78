// What runs are chosen by: the same words in a list's query and in the body of an operation. All that are given must hold.
import { RUN_STATES } from '#core/run.ts'
import { commaList, JOB, keyValues, notEmpty, optional, RUN_ID, text, time, uuid } from '../common.ts'
import { QUEUE } from '../job.ts'
import { AGENT_ID, CORRELATION_ID, RUN_STATUS, TRIGGERED_BY } from './run.ts'

export const runFilter = {
  status: optional(notEmpty(commaList(RUN_STATUS, RUN_STATES.length, 'Runs in one of these states.'))),
  job: optional(JOB),
  tag: optional(notEmpty(keyValues('Runs that carry a tag'))),
  metadata: optional(notEmpty(keyValues('Runs that carry metadata'))),
  triggered_by: optional(TRIGGERED_BY),
  batch_id: optional(uuid('Runs of one batch.')),
  parent_run_id: optional(RUN_ID),
  correlation_id: optional(CORRELATION_ID),
  queue: optional(QUEUE),
  agent_id: optional(AGENT_ID),
  created_from: optional(time('Triggered at this time or later.')),
  created_to: optional(time('Triggered before this time.')),
  payload_contains: optional(
    text(8192, 'JSON text that the payload must contain: objects by their fields, lists as sets.', { minLength: 1 }),
  ),
}
