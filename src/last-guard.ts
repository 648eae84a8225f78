// The last guard of the process. Every foreseeable failure is handled where it happens; one that arrives here leaves an
// unknown state. So the process logs it, returns its leases, and exits: the supervisor starts a new one, and
// other nodes continue meanwhile.
import type { Logger } from 'pino'

export type GuardOptions = {
  log: Pick<Logger, 'fatal'>
  /** Returns leases and closes what can be closed. */
  close: () => Promise<void>
}

/** Closing in an unknown state may hang; leases that have not been returned by then expire by themselves. */
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
