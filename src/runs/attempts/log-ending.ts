// One log line for the end of each attempt: failures must be found without querying the database.

import type { Logger } from 'pino'
import { isOver, type RunState } from '#core/run.ts'
import { cutText } from '#core/storable.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'

const ERROR_LENGTH_MAX = 300

type How = { runId: string; kind: string; error?: string; errorCode?: string | undefined }
type Told = { ended: { state: RunState; attempt: number }; run?: RunRow | undefined }

/** Successes are logged at level debug: there may be thousands per second. */
export function logEnding(log: Logger, { runId, kind, error, errorCode }: How, { ended, run }: Told): void {
  if (error === undefined && !log.isLevelEnabled('debug')) return
  const { state } = ended
  const ofRun = run && { projectId: run.projectId, job: run.jobSlug, maxAttempts: run.maxAttempts }
  const about = { runId, ...ofRun, attempt: run?.attempt ?? ended.attempt, state }
  if (error === undefined) {
    log.debug(about, `an attempt ended: ${kind}`)
    return
  }
  const failure = { ...about, errorCode, error: cutText(error, ERROR_LENGTH_MAX) }
  if (isOver(state)) log.warn(failure, `an attempt failed, and its run ended: ${state}`)
  else log.info(failure, `an attempt failed; its run continues: ${state}`)
}
