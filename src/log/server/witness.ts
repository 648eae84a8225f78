// What this node saw committed, in bytes of the write-ahead log. A standby that takes over with less than that was not in
// sync: what clients were told is gone, and this node can prove it. Nobody else would notice.
import type { Logger } from 'pino'
import type { Sql } from '#postgres/sql.ts'
import { tellProjects } from './recognize-server.ts'
import { commitMark, readMissing, readWalEnd, type WalEnd } from './servers.sql.ts'

export type Witness = {
  /** Something was committed: soon after, the log is looked at. */
  note(): void
  /** Holds a server that is new to this node against what was seen before. */
  examine(sql: Sql): Promise<void>
  /** Undefined while nothing was lost since the start of this node. */
  loss(): Loss | undefined
  close(): void
}

/** `bytes` of the write-ahead log at least; `atMs` is of the monotonic clock. */
export type Loss = { times: number; bytes: number; atMs: number }

/** So much of what is acknowledged last may be lost unseen. */
const LOOK_EVERY_MS = 500

type WitnessOptions = { sql: Sql; node: string; log: Pick<Logger, 'error'> }

export function makeWitness({ sql, node, log }: WitnessOptions): Witness {
  let seen: WalEnd | undefined
  /** What `loss` counts already: the log may have to be told of it more than once. */
  let counted: WalEnd | undefined
  let timer: NodeJS.Timeout | undefined
  let looking = false
  let noted = false
  let loss: Loss | undefined

  /** What was written before a commit that is acknowledged is on every server that has this commit. */
  async function look(): Promise<void> {
    const end = await readWalEnd(sql)
    const { timeline } = await commitMark(sql)
    // Between the two another server may have taken over, which need not have it.
    if (end.timeline === timeline) seen = end
  }

  async function lookNow(): Promise<void> {
    timer = undefined
    looking = true
    // While the database is away, what was seen before it went is what counts.
    await look().catch(() => {})
    looking = false
    if (noted) note()
  }

  /** What is committed during a look may be behind what it sees. */
  function note(): void {
    noted = looking
    if (!looking) timer ??= setTimeout(() => void lookNow(), LOOK_EVERY_MS).unref()
  }

  return {
    note,
    async examine(there) {
      const acknowledged = seen
      const missing = acknowledged && (await readMissing(there, acknowledged))
      if (!acknowledged || !missing) return
      const data = { node, bytes: missing.bytes, acknowledged: acknowledged.lsn, recovered: missing.recovered }
      if (counted !== acknowledged) {
        counted = acknowledged
        loss = { times: (loss?.times ?? 0) + 1, bytes: missing.bytes, atMs: performance.now() }
        log.error(data, 'a standby took over without all that was acknowledged; see docs/reliability.md')
      }
      await tellProjects(there, { type: 'log.truncated', data })
      // Only now: if the log could not be told, this server is examined again.
      seen = undefined
    },
    loss: () => loss,
    close: () => clearTimeout(timer),
  }
}
