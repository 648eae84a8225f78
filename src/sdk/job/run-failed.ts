// A run that ended other than completed, as an error for whoever waits for its result.

type Ended = { id: string; job_slug: string | null; status: string; error: string | null; error_code: string | null }

/** The run that was waited for ended without a result; thrown by `unwrap()` of its outcome. */
export class RunFailed extends Error {
  override readonly name = 'RunFailed'
  readonly runId: string
  /** failed, dead_letter, timed_out, canceled, crashed or expired. */
  readonly status: string
  /** The run's own code of its error, if it gave one. */
  readonly code: string | undefined
  constructor({ id, job_slug, status, error, error_code }: Ended) {
    super(`Run ${id}${job_slug ? ` of job ${job_slug}` : ''} ended as ${status}${error ? `: ${error}` : ''}`)
    this.runId = id
    this.status = status
    this.code = error_code ?? undefined
  }
}
