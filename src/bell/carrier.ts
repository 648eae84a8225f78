/** Transports rings to other processes. */
export type Carrier = {
  /** Rejects when the ring was not sent; never waits for a reconnect. */
  send(payload: string): Promise<void>
  close(): Promise<void>
}

export type CarrierOptions = {
  hear: (payload: string) => void
  /** Listening again after an interruption: rings in between are lost. */
  restored: () => void
  log: (line: string) => void
}
