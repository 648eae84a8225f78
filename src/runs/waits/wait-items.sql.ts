// The events and runs that a wait with a key is for, and the locks under which events and waits find each other.
import { jsonText } from '#postgres/json.ts'
import { rowsOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'

export type ItemRow = {
  ord: number
  eventKey: string | null
  /** Internal id. */
  childRunId: string | null
  createdAt: Date
  receivedAt: Date | null
  eventId: string | null
  payload: unknown
}

export type NewItem = {
  ord: number
  eventKey?: string | undefined
  childRunId?: string | undefined
  /** An event that was there already. */
  received?: { eventId: string; payload: unknown } | undefined
}

export const insertItems = (tx: Db, wait: { runId: string; projectId: string }, items: readonly NewItem[]) => tx`
  insert into wait_items (run_id, ord, project_id, event_key, child_run_id, event_id, payload, received_at)
  select
    ${wait.runId},
    ord,
    ${wait.projectId},
    event_key,
    child_run_id,
    event_id,
    payload::json,
    case when event_id is not null then clock_timestamp() end
  from ${rowsOf(tx, items, {
    'ord int': (it) => it.ord,
    'event_key text': (it) => it.eventKey,
    'child_run_id uuid': (it) => it.childRunId,
    'event_id uuid': (it) => it.received?.eventId,
    'payload text': (it) => it.received && jsonText(it.received.payload ?? null),
  })}`

/** In the order in which the run named them. */
export const readItems = async (sql: Db, runId: string): Promise<ItemRow[]> => [
  ...(await sql<ItemRow[]>`
    select
      ord,
      event_key as "eventKey",
      child_run_id as "childRunId",
      created_at as "createdAt",
      received_at as "receivedAt",
      event_id as "eventId",
      payload
    from wait_items
    where run_id = ${runId}
    order by ord`),
]

export const receiveItems = (
  tx: Db,
  runId: string,
  received: readonly { ord: number; eventId: string; payload: unknown }[],
) => tx`
  update wait_items i
  set received_at = clock_timestamp(), event_id = t.event_id, payload = t.payload::json
  from ${rowsOf(tx, received, {
    'ord int': (it) => it.ord,
    'event_id uuid': (it) => it.eventId,
    'payload text': (it) => jsonText(it.payload ?? null),
  })}
  where i.run_id = ${runId}
    and i.ord = t.ord`

/** What has waited longest for an event with this key. */
export async function findOldestItem(
  tx: Db,
  projectId: string,
  eventKey: string,
): Promise<{ runId: string; ord: number; createdAt: Date } | undefined> {
  const [row] = await tx<{ runId: string; ord: number; createdAt: Date }[]>`
    select run_id as "runId", ord, created_at as "createdAt" from wait_items
    where project_id = ${projectId}
      and event_key = ${eventKey}
      and received_at is null
    order by created_at, run_id, ord
    limit 1`
  return row
}

/** Has every run that waits for this event looked at. Returns how many there are. */
export async function callItems(tx: Db, projectId: string, eventKey: string): Promise<number> {
  const rows = await tx`
    with waiting as materialized (
      -- In the order of their runs, as everything that locks several waits.
      select run_id from waits
      where run_id = any(array(
        select wait_items.run_id from wait_items
        where project_id = ${projectId} and event_key = ${eventKey} and received_at is null))
      order by run_id for update
    )
    update waits set check_at = clock_timestamp()
    where run_id = any(array(select waiting.run_id from waiting))
    returning run_id`
  return rows.length
}

const KEYS_SEED = 11
const GRAPH_SEED = 12

/**
 * Until the transaction ends, nobody else sends these events or begins to wait for them: an event that is sent while
 * a wait for it is being written finds the wait, or is found by it. Taken before the lock of any run, in one order.
 */
export const lockEventKeys = (tx: Db, projectId: string, keys: readonly string[]) => tx`
  select pg_advisory_xact_lock(lock) from (
    select distinct hashtextextended(${projectId} || '/' || key, ${KEYS_SEED}) as lock
    from unnest(${keys as string[]}::text[]) as t (key)
    order by 1
  ) locks`

/** Until the transaction ends, no other run of the project begins to wait for runs. Taken after the keys of events. */
export const lockWaitGraph = (tx: Db, projectId: string) =>
  tx`select pg_advisory_xact_lock(hashtextextended(${projectId}, ${GRAPH_SEED}))`

/** Whether one of these runs is `runId`, or waits for it, directly or through others. */
export async function reachesRun(tx: Db, fromRunIds: readonly string[], runId: string): Promise<boolean> {
  const rows = await tx`
    with recursive reached as (
      select unnest(${fromRunIds as string[]}::uuid[]) as run_id
      union
      select next.child_run_id from reached cross join lateral (
        select child_run_id from waits where waits.run_id = reached.run_id and child_run_id is not null
        union all
        select child_run_id from wait_items where wait_items.run_id = reached.run_id and child_run_id is not null
      ) next
    )
    select 1 from reached where run_id = ${runId}`
  return rows.length > 0
}
