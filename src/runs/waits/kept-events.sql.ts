// Events that were sent before anybody waited for them, and events for everybody who waits until they expire.
import { jsonText } from '#postgres/json.ts'
import { rowsOf, valuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'

export type Recipients = 'first' | 'all'

export type KeptEvent = {
  id: string
  eventKey: string
  recipients: Recipients
  payload: unknown
  actorType: string
  actorId: string | null
  createdAt: Date
  expiresAt: Date
}

/** A kept event before its payload is read. */
export type KeptHead = Omit<KeptEvent, 'payload'>

const columns = (sql: Db) => sql`payload, ${headColumns(sql)}`

const headColumns = (sql: Db) => sql`
  id,
  event_key as "eventKey",
  recipients,
  actor_type as "actorType",
  actor_id as "actorId",
  created_at as "createdAt",
  expires_at as "expiresAt"`

export type NewKeptEvent = {
  id: string
  projectId: string
  eventKey: string
  recipients: Recipients
  payload: unknown
  actor: { type: string; id: string | null }
  keepSecs: number
}

export async function insertKeptEvent(tx: Db, it: NewKeptEvent): Promise<KeptEvent> {
  const text = jsonText(it.payload ?? null)!
  const [row] = await tx<KeptEvent[]>`
    insert into kept_events ${valuesOf(tx, {
      id: it.id,
      project_id: it.projectId,
      event_key: it.eventKey,
      recipients: it.recipients,
      payload: tx`${text}::text::json`,
      bytes: Buffer.byteLength(text),
      actor_type: it.actor.type,
      actor_id: it.actor.id,
      expires_at: tx`clock_timestamp() + ${it.keepSecs}::float8 * interval '1 s'`,
    })}
    returning ${columns(tx)}`
  return row!
}

/** How much of a project is kept. */
export async function sumKeptEvents(sql: Db, projectId: string): Promise<{ count: number; bytes: number }> {
  const [row] = await sql<{ count: number; bytes: number }[]>`
    select count(*)::int as count, coalesce(sum(bytes), 0)::float8 as bytes from kept_events
    where project_id = ${projectId}
      and expires_at > clock_timestamp()`
  return row!
}

/** The earliest event with this key that is kept; one for the first recipient is taken with it. */
export async function takeKeptEvent(tx: Db, projectId: string, eventKey: string): Promise<KeptEvent | undefined> {
  const [row] = await tx<KeptEvent[]>`
    select ${columns(tx)} from kept_events
    where project_id = ${projectId}
      and event_key = ${eventKey}
      and expires_at > clock_timestamp()
    order by created_at, id
    limit 1`
  if (row?.recipients === 'first') await tx`delete from kept_events where id = ${row.id}`
  return row
}

/** The earliest events that are kept under these keys: of each key as many as it occurs. */
export const readKeptEvents = async (tx: Db, projectId: string, eventKeys: readonly string[]): Promise<KeptHead[]> => [
  ...(await tx<KeptHead[]>`
    with asked as (
      select key, count(*) as n from unnest(${eventKeys as string[]}::text[]) as t (key) group by key
    )
    select kept.* from asked cross join lateral (
      select ${headColumns(tx)} from kept_events
      where project_id = ${projectId}
        and event_key = asked.key
        and expires_at > clock_timestamp()
      order by created_at, id
      limit asked.n
    ) kept
    order by kept."createdAt", kept.id`),
]

/** Their payloads, by id. What is for the first recipient is taken with it. */
export async function takeKeptPayloads(tx: Db, ids: readonly string[]): Promise<Map<string, unknown>> {
  const rows = await tx<{ id: string; payload: unknown }[]>`
    with taken as (
      delete from kept_events where id = any(${ids as string[]}::uuid[]) and recipients = 'first' returning id, payload
    )
    select id, payload from taken
    union all
    select id, payload from kept_events where id = any(${ids as string[]}::uuid[]) and recipients = 'all'`
  return new Map(rows.map(({ id, payload }) => [id, payload]))
}

/** An item of a wait that has not had its event. */
type OpenItem = { ord: number; eventKey: string; createdAt: Date }

/** Of events for everybody, the earliest that each of these items may have; of so many items, in their order. */
export const readEventsForAll = async (
  tx: Db,
  projectId: string,
  { items, itemsMax }: { items: readonly OpenItem[]; itemsMax: number },
): Promise<(KeptEvent & { ord: number })[]> => [
  ...(await tx<(KeptEvent & { ord: number })[]>`
    select open.ord, kept.*
    from ${rowsOf(
      tx,
      items,
      {
        'ord int': (it) => it.ord,
        'key text': (it) => it.eventKey,
        'since timestamptz': (it) => it.createdAt.toISOString(),
      },
      'open',
    )}
    cross join lateral (
      select ${columns(tx)} from kept_events
      where project_id = ${projectId}
        and event_key = open.key
        and recipients = 'all'
        and expires_at >= open.since
      order by created_at, id
      limit 1
    ) kept
    order by open.ord
    limit ${itemsMax}`),
]

/** An event for everybody stays until each run that waited for it in time has been given it. */
export async function deleteExpiredEvents(sql: Db, limit: number): Promise<number> {
  const rows = await sql`
    delete from kept_events
    where id in (
      select k.id from kept_events k
      where expires_at <= clock_timestamp()
        and not exists (
          select from wait_items i
          where i.project_id = k.project_id
            and i.event_key = k.event_key
            and i.received_at is null
            and i.created_at <= k.expires_at)
      order by expires_at limit ${limit}
    )
    returning 1`
  return rows.length
}
