// The last guard of the process. Every failure that can be foreseen is handled where it happens; one that arrives here
// leaves a state that nobody knows. So the process says what it was, gives back what it holds, and ends: whoever
// supervises it starts a new one, and other nodes go on meanwhile.
import type { Logger } from 'pino'

export type GuardOptions = {
  log: Pick<Logger, 'fatal'>
  /** Gives leases back and closes what can be closed. */
  close: () => Promise<void>
}

/** A close in an unknown state may hang; leases that were not given back by then run out by themselves. */
const CLOSE_MS_MAX = 10_000
export const BUG_EXIT_CODE = 70

export function guardProcess({ log, close }: GuardOptions): void {
  let ending = false
  const end = (kind: string) => (error: unknown) => {
    log.fatal({ err: error }, `${kind}: this is a bug; the node returns its leases and exits`)
    if (ending) return
    ending = true
    const late = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_MS_MAX))
    void Promise.race([close().catch(() => {}), late]).then(() => process.exit(BUG_EXIT_CODE))
  }
  process.on('uncaughtException', end('an exception that nobody caught'))
  process.on('unhandledRejection', end('a rejection that nobody handled'))
}
