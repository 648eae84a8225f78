// What windows of the log hold now, hashed as a sealer would.
import { createHash, type Hash } from 'node:crypto'
import type { Place, Seal } from '#core/log/seal.ts'
import type { Sql } from '#postgres/sql.ts'
import { hashSpans } from './sealed-events.sql.ts'

/** One seal to be compared, or the end of the log behind the last seal, in which there must be nothing. */
export type Window = { seal: Seal | undefined; after: Place; until: Place; events: number; digest: string }

/** What one statement looks at. */
const SCAN_MAX = 50_000

/** Windows that one statement looks at: the log has about as many events as its positions are apart. */
export function batchesOf(windows: readonly Window[]): Window[][] {
  const batches: Window[][] = []
  let room = 0
  for (const window of windows) {
    const size = Math.max(1, window.until.position - window.after.position)
    if (batches.length === 0 || size > room) {
      batches.push([])
      room = SCAN_MAX
    }
    batches.at(-1)!.push(window)
    room -= size
  }
  return batches
}

type Hashing = { window: Window; after: Place; hash: Hash; events: number; over: boolean }

/** What the windows hold now. One that other projects filled with many events takes several statements. */
export async function hashWindows(sql: Sql, projectId: string, windows: readonly Window[]) {
  const all = windows.map((window): Hashing => {
    return { window, after: window.after, hash: createHash('sha256'), events: 0, over: false }
  })
  for (let open = all; open.length > 0; open = open.filter((it) => !it.over)) {
    const spans = open.map(({ after, window }) => ({ after, until: window.until }))
    for (const [index, span] of (await hashSpans(sql, { projectId, spans, scanMax: SCAN_MAX })).entries()) {
      const hashing = open[index]!
      hashing.hash.update(span.hashes)
      hashing.events += span.events
      hashing.over = span.next === undefined
      hashing.after = span.next ?? hashing.after
    }
  }
  return all.map(({ hash, events }) => ({ events, digest: hash.digest('hex') }))
}
