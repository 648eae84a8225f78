// One new run, written together with those that others trigger meanwhile.
import { batched } from '#bell/part.ts'
import { type InsertedRun, insertRuns, type NewRun } from './insert-runs.sql.ts'

export const insertRun = batched<NewRun, InsertedRun>(
  'The queue of triggers',
  ({ sql }, runs) => insertRuns(sql, runs),
  {
    keyOf: (run) => run.idempotency && `${run.jobId} ${run.idempotency.key}`,
  },
)
