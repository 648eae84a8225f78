// What became of a wait with a key: kept as a value of the run, so that the same key is answered again, whichever
// attempt asks.

import type { Json } from '#core/json/json.ts'
import { isOver, type RunState } from '#core/run.ts'
import type { Db } from '#postgres/sql.ts'
import { readResults } from '#run-state/read/read-results.sql.ts'
import { type RunRow, readRuns } from '#run-state/read/read-runs.sql.ts'
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

export async function itemOutcomes(sql: Db, items: readonly Known[]): Promise<ItemOutcome[]> {
  const over = items.flatMap((item) => (item.run && isDone(item) ? item.run : []))
  const ends = await readEnds(sql, over)
  return items.map((item) => {
    if (item.run === undefined) return eventOutcome(item)
    if (item.run === null) return { run_id: item.childRunId!, done: true, status: null, error: GONE }
    const end = ends.get(item.run.id)
    return end ? { ...end, done: true } : { run_id: item.run.publicId, done: false }
  })
}

/** What is said of a run that was deleted before the wait for it ended. */
export const GONE = 'it is no longer kept'

const eventOutcome = ({ eventKey, eventId, payload, receivedAt }: Known): ItemOutcome =>
  eventId === null
    ? { event_key: eventKey!, done: false }
    : { event_key: eventKey!, done: true, event_id: eventId, payload, received_at: receivedAt!.toISOString() }

type RunEnd = { run_id: string; status: RunState; error?: string; result?: Json | null; result_omitted?: true }

/** How runs ended, as it is told to those that wait for them: by internal id. */
export async function readEnds(sql: Db, runs: readonly RunRow[]): Promise<Map<string, RunEnd>> {
  const ids = runs.map(({ id }) => id)
  const results = ids.length === 0 ? [] : await readResults(sql, ids, RESULT_BYTES_MAX)
  const byId = new Map(results.map((it) => [it.runId, it]))
  return new Map(
    runs.map((run) => {
      const { result = null, tooLarge = false } = byId.get(run.id) ?? {}
      const end: RunEnd = {
        run_id: run.publicId,
        status: run.state,
        ...(run.error !== null && run.state !== 'completed' && { error: run.error }),
        ...(tooLarge ? { result_omitted: true as const } : { result }),
      }
      return [run.id, end]
    }),
  )
}

/** An item as it is asked for now, with every id that its run may be named by. */
export type ItemName = { eventKey: string } | { runIds: readonly string[] }

/** Whether an outcome is that of the wait that is asked for now: a key means one thing in a run. */
export const isSameWait = (kept: Pick<WaitOutcome, 'items'>, asked: readonly ItemName[]): boolean =>
  kept.items.length === asked.length &&
  kept.items.every((it, at) => {
    const name = asked[at]!
    if ('event_key' in it) return 'eventKey' in name && name.eventKey === it.event_key
    return 'runIds' in name && name.runIds.includes(it.run_id)
  })

/** An outcome as it was kept: its payloads and results as they were written. */
export const keptOutcome = (json: Json): WaitOutcome => ({
  ...(json.value as WaitOutcome),
  items: (json.members().items as Json).items().map((item) => item.members() as ItemOutcome),
})
