// Probes whether the database accepts writes, at most once per interval, and only when readiness is checked.
import type { Sql } from '#postgres/sql.ts'
import { findWriteFault, type WriteFault } from '#postgres/write-check.ts'

const ASK_EVERY_MS = 5_000
const WRITE_MS_MAX = 4_000

export type Writes = { fault: WriteFault; lastSuccessMs: number | undefined }
export type WriteWatch = () => Promise<Writes>

/** `warn` is called when writes begin to fail, and when they succeed again. */
export function watchWrites(sql: Sql, { warn }: { warn: (line: string) => void }): WriteWatch {
  let askedMs = Number.NEGATIVE_INFINITY
  let asking: Promise<void> | undefined
  let last: Writes = { fault: undefined, lastSuccessMs: undefined }

  async function ask(): Promise<void> {
    askedMs = performance.now()
    tell(await findWriteFault(sql, WRITE_MS_MAX))
    asking = undefined
  }

  function tell(fault: WriteFault): void {
    if (fault !== last.fault)
      warn(fault ? `PostgreSQL accepts no writes: ${fault}` : 'PostgreSQL accepts writes again.')
    last = { fault, lastSuccessMs: fault === undefined ? performance.now() : last.lastSuccessMs }
  }

  return async () => {
    if (performance.now() - askedMs >= ASK_EVERY_MS) asking ??= ask()
    if (!asking) return last
    // A late probe is not repeated until it has ended: it holds a connection.
    const late = askedMs + WRITE_MS_MAX - performance.now()
    const isLate = await Promise.race([asking.then(() => false), after(Math.max(0, late))])
    if (isLate) tell('A write was not committed in time.')
    return last
  }
}

const after = (ms: number): Promise<true> => new Promise((resolve) => setTimeout(() => resolve(true), ms).unref())
