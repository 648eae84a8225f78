// What became of a wait with a key: kept as a value of the run, so that the same key is answered again, whichever
// attempt asks.

import { canonicalJson } from '#core/json/canonical.ts'
import { isOver } from '#core/run.ts'
import type { Db } from '#postgres/sql.ts'
import { findRunBody, type RunRow, readRuns } from '#run-state/read/read-runs.sql.ts'
import type { ItemRow } from './wait-items.sql.ts'

/** The state key under which a run finds the outcome of a wait. */
export const waitKey = (key: string): string => `wait:${key}`

/** A run's result is stored with the outcome up to this size; a larger one is fetched from the run. */
const RESULT_BYTES_MAX = 64 * 1024

export type ItemOutcome =
  | { event_key: string; done: boolean; event_id?: string; payload?: unknown; received_at?: string }
  | {
      run_id: string
      done: boolean
      status?: string | null
      result?: unknown
      result_omitted?: true
      error?: string | null
    }

/** In the words of the wire: every language reads it, over the API and as a value of the run. */
export type WaitOutcome = {
  key: string
  status: 'waiting' | 'done' | 'timed_out'
  until: string | null
  winner: number | null
  items: ItemOutcome[]
}

/** An item with what is known of it now: its event has been received, or this is its run. */
export type Known = Pick<ItemRow, 'eventKey' | 'childRunId' | 'receivedAt' | 'eventId' | 'payload'> & {
  /** Undefined for an event, null for a run that is no longer kept. */
  run?: RunRow | null
  /** The id by which it was asked for. */
  runId?: string
}

export const isDone = ({ eventId, run }: Known): boolean =>
  run === undefined ? eventId !== null : run === null || isOver(run.state)

/** Undefined while too little of it is done; for any, which item was the first in their order. */
export function decided(mode: 'all' | 'any', items: readonly Known[]): { winner: number | null } | undefined {
  if (mode === 'all') return items.every(isDone) ? { winner: null } : undefined
  const winner = items.findIndex(isDone)
  return winner < 0 ? undefined : { winner }
}

export async function knownItems(sql: Db, items: readonly ItemRow[]): Promise<Known[]> {
  const ids = items.flatMap(({ childRunId }) => childRunId ?? [])
  const runs = new Map(ids.length === 0 ? [] : (await readRuns(sql, ids)).map((run) => [run.id, run]))
  return items.map((item) => (item.childRunId === null ? item : { ...item, run: runs.get(item.childRunId) ?? null }))
}

export const itemOutcomes = (sql: Db, items: readonly Known[]): Promise<ItemOutcome[]> =>
  inTurn(items, async (item) => {
    if (item.run === undefined) return eventOutcome(item)
    const runId = item.runId ?? item.run?.publicId ?? item.childRunId!
    if (item.run === null) return { run_id: runId, done: true, status: null, error: 'it is no longer kept' }
    return isDone(item) ? { ...(await runEnd(sql, item.run)), done: true } : { run_id: runId, done: false }
  })

/** One after the other: a transaction has one connection, and results need not all be in memory twice. */
async function inTurn<T, R>(items: readonly T[], act: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = []
  for (const item of items) done.push(await act(item))
  return done
}

const eventOutcome = ({ eventKey, eventId, payload, receivedAt }: Known): ItemOutcome =>
  eventId === null
    ? { event_key: eventKey!, done: false }
    : { event_key: eventKey!, done: true, event_id: eventId, payload, received_at: receivedAt!.toISOString() }

/** How a run ended, as it is told to the one that waits for it. */
export async function runEnd(sql: Db, run: RunRow) {
  const { result = null } = (await findRunBody(sql, run.id)) ?? {}
  const tooLarge = Buffer.byteLength(JSON.stringify(result) ?? 'null') > RESULT_BYTES_MAX
  return {
    run_id: run.publicId,
    status: run.state,
    ...(run.error !== null && run.state !== 'completed' && { error: run.error }),
    ...(tooLarge ? { result_omitted: true as const } : { result }),
  }
}

/** Whether an outcome is that of the wait that is asked for now: a key means one thing in a run. */
export function isSameWait(
  kept: Pick<WaitOutcome, 'items'>,
  asked: readonly { eventKey?: string; runId?: string }[],
): boolean {
  const names = kept.items.map((it) => ('event_key' in it ? { eventKey: it.event_key } : { runId: it.run_id }))
  return canonicalJson(names) === canonicalJson(asked)
}
