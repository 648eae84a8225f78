// Where a ring tells its listeners to look. The list is the type: an unknown topic does not compile.

export type Topic =
  /** This run's log grew, or its state changed. */
  | `run:${string}`
  /** A run of this queue may be claimable. */
  | `queue:${string}`
  /** Someone waits for the result of this governed call. */
  | `call:${string}`
  /** An event was committed. */
  | 'tail'
  /** Runs of any queue may be claimable: a job was resumed, or its limits changed. */
  | 'queues'
  /** A job with a concurrency limit has room again. */
  | 'slots'
  /** A lease was revoked, or its holder was asked to stop. */
  | 'leases'
  /** Something became due, or a time was set that is earlier than those known. */
  | 'timers'
  /** A wait may have ended. */
  | 'waits'
  /** A question was asked or answered. */
  | 'inputs'
  /** An agent was disabled or enabled. */
  | 'switches'
  /** Actions must be executed under an AI lease. */
  | 'ai-agendas'
  /** A bulk operation was started or canceled. */
  | 'operations'
  /** A webhook was created or changed, or is free to be carried. */
  | 'webhooks'
  /** A message of an alert is to be sent. */
  | 'alerts'
  /** A tool server was set or removed, its tools have changed, or are to be read again. */
  | 'tool-servers'
  /** A key was made, rotated or revoked; a session ended, or what a person may do was changed. */
  | 'keys'
  /** Never rung: its listeners are woken when rings may have been lost, as after a failover. */
  | 'server'

export const runTopic = (runId: string): Topic => `run:${runId}`
export const queueTopic = (queue: string): Topic => `queue:${queue}`
