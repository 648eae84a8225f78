// A trigger on its way through the door of its job, and what came of it.
import type { InsertedRun, NewRun } from '#run-state/insert/insert-runs.sql.ts'

export type Admitted =
  | InsertedRun
  | { outcome: 'rate_limited'; key: string; limit: number; periodSecs: number; retryAfterMs: number }
  /** It is one with an earlier trigger, and this is their run. */
  | { outcome: 'debounced'; runId: string }

export type Admission = { run: NewRun; answer?: Admitted }
