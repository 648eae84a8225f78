// The filters on runs: the same fields in a list's query and in the body of a bulk operation, combined with AND.
import { RUN_STATES } from '#core/run.ts'
import { commaList, JOB, keyValues, notEmpty, optional, RUN_ID, text, time, uuid } from '../common.ts'
import { QUEUE } from '../job.ts'
import { AGENT_ID, CORRELATION_ID, RUN_STATUS, TRIGGERED_BY } from './run.ts'

const ERROR_CODE = text(128, 'Runs that ended with this error code.', { minLength: 1 })
export const ERROR_GROUP = text(16, 'Failed runs of one group; see /v1/failures.', { pattern: '^[0-9a-f]{16}$' })

export const runFilter = {
  status: optional(notEmpty(commaList(RUN_STATUS, RUN_STATES.length, 'Runs in one of these states.'))),
  job: optional(JOB),
  tag: optional(notEmpty(keyValues('Runs with a tag'))),
  metadata: optional(notEmpty(keyValues('Runs with metadata'))),
  triggered_by: optional(TRIGGERED_BY),
  batch_id: optional(uuid('Runs of one batch.')),
  parent_run_id: optional(RUN_ID),
  correlation_id: optional(CORRELATION_ID),
  queue: optional(QUEUE),
  agent_id: optional(AGENT_ID),
  created_from: optional(time('Triggered at this time or later.')),
  created_to: optional(time('Triggered before this time.')),
  finished_from: optional(time('Ended at this time or later.')),
  finished_to: optional(time('Ended before this time.')),
  error_code: optional(ERROR_CODE),
  error_group: optional(ERROR_GROUP),
  payload_contains: optional(
    text(8192, 'JSON that the payload must contain: objects match by their fields, arrays as sets.', { minLength: 1 }),
  ),
}
