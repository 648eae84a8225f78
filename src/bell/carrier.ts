/** How rings get to other processes. */
export type Carrier = {
  /** Rejects when the ring did not go out; never waits for a connection to come back. */
  send(payload: string): Promise<void>
  close(): Promise<void>
}

export type CarrierOptions = {
  hear: (payload: string) => void
  /** Listening again after an interruption: what was rung in between is lost. */
  restored: () => void
  log: (line: string) => void
}
