// Where a ring tells its listeners to look. The list is the type: a topic that is not here does not compile.

export type Topic =
  /** This run's log grew, or its state changed. */
  | `run:${string}`
  /** A run of this queue may be claimable. */
  | `queue:${string}`
  /** Somebody waits for the result of this governed call. */
  | `call:${string}`
  /** Some event was committed. */
  | 'tail'
  /** Runs of any queue may be claimable: a job was resumed, or its limits changed. */
  | 'queues'
  /** A job with a concurrency limit has room again. */
  | 'slots'
  /** A lease was taken away, or its holder was asked to stop. */
  | 'leases'
  /** Something became due, or a time was set that comes before those known. */
  | 'timers'
  /** A wait may have ended. */
  | 'waits'
  /** A question was asked or answered. */
  | 'inputs'
  /** An agent was switched off or on. */
  | 'switches'
  /** Actions are to be executed under an AI lease. */
  | 'ai-agendas'
  /** An operation over many runs was started or stopped. */
  | 'operations'
  /** A key was made, rotated or revoked; a session ended, or what a person may do was changed. */
  | 'keys'
  /** Rung by nobody: who listens is woken when rings may have been lost, as after a failover. */
  | 'server'

export const runTopic = (runId: string): Topic => `run:${runId}`
export const queueTopic = (queue: string): Topic => `queue:${queue}`
