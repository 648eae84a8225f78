// Locks: a key that belongs to whoever asked first, until it expires. Many callers share one statement, and of all who
// ask at once, on any node, exactly one is first.
import { column } from '#postgres/column.ts'
import { jsonText } from '#postgres/json.ts'
import type { Db } from '#postgres/sql.ts'
import { addUse, countUse } from './plans.sql.ts'

export type LockRequest = { projectId: string; key: string; ttlSecs: number; metadata?: object | undefined }
/** `firstSeenAt` is when the key was taken, by this caller or by the one who was first. */
export type LockTaken = { taken: boolean; firstSeenAt: Date }

type Ask = { request: LockRequest; callers: number[] }

/** Takes up to 500 locks, and counts the calls; answers in their order. */
export async function takeLocks(sql: Db, requests: readonly LockRequest[]): Promise<LockTaken[]> {
  const asks = asksOf(requests)
  const of = <T extends string | number | null>(value: (ask: Ask) => T) => column(asks.map(value))
  const rows = await sql<{ heldSince: Date | null; takenAt: Date | null }[]>`
    with input as materialized (
      select t.*, clock_timestamp() as now
      from unnest(
        ${of(({ request }) => request.projectId)}::text[],
        ${of(({ request }) => request.key)}::text[],
        ${of(({ request }) => request.ttlSecs)}::int[],
        ${of(({ request }) => jsonText(request.metadata))}::text[],
        ${of(({ callers }) => callers.length)}::int[]
      ) with ordinality as t (project_id, key, ttl_secs, metadata, callers, ord)
    ), held as materialized (
      -- Most who are told no are told so by a look, which writes nothing.
      select i.ord, l.first_seen_at
      from input i
      cross join lateral (
        select first_seen_at from locks
        where project_id = i.project_id
          and key = i.key
          and expires_at > i.now
        offset 0
      ) l
    ), taken as (
      insert into locks as l (
        project_id,
        key,
        first_seen_at,
        expires_at,
        ttl_secs,
        metadata
      )
      select
        project_id,
        key,
        now,
        now + ttl_secs * interval '1 s',
        ttl_secs,
        metadata::jsonb
      from input i
      where not exists (select from held where ord = i.ord)
        -- In one order, so that two batches never wait for each other in a circle.
        
      order by project_id, key
      -- Whoever comes second waits here for the first, and looks at the row as it is then.
      on conflict (project_id, key) do update set
        first_seen_at = excluded.first_seen_at,
        expires_at = excluded.expires_at,
        ttl_secs = excluded.ttl_secs,
        metadata = excluded.metadata
      where l.expires_at <= clock_timestamp()
      returning project_id, key, first_seen_at
    ), counted as (${countUse(
      sql,
      sql`
        (
          select
            i.project_id,
            'make' as kind,
            sum(callers)::bigint as requests,
            sum(callers)::bigint as charged,
            sum(callers)::bigint - count(t.key) as blocked,
            0 as polling
          from input i
          left join taken t on t.project_id = i.project_id and t.key = i.key
          group by i.project_id
        )`,
    )})
    select
      h.first_seen_at as "heldSince",
      t.first_seen_at as "takenAt",
      -- Whoever got a lock is told so when it is on disk. Where all were told no, only the counters are at stake, and
      -- nobody waits for those.
      case when i.ord = 1 and not exists (select from taken) then set_config('synchronous_commit', 'off', true) end
    from input i
    left join held h using (ord)
    left join taken t on t.project_id = i.project_id and t.key = i.key
    order by i.ord`
  const answers: LockTaken[] = []
  const late = await lookAgain(
    sql,
    asks.filter((_, index) => rows[index]!.heldSince === null && rows[index]!.takenAt === null),
  )
  asks.forEach((ask, index) => {
    const { heldSince, takenAt } = rows[index]!
    const firstSeenAt = takenAt ?? heldSince ?? late.get(ask)!
    ask.callers.forEach((caller, nth) => {
      answers[caller] = { taken: takenAt !== null && nth === 0, firstSeenAt }
    })
  })
  return answers
}

/** Callers of one batch who want the same key ask as one, and the first of them speaks for it. */
function asksOf(requests: readonly LockRequest[]): Ask[] {
  const asks = new Map<string, Ask>()
  requests.forEach((request, index) => {
    const name = JSON.stringify([request.projectId, request.key])
    const ask = asks.get(name)
    if (ask) ask.callers.push(index)
    else asks.set(name, { request, callers: [index] })
  })
  return [...asks.values()]
}

/** Locks that somebody else took while the statement was under way: it could wait for their rows, and not read them. */
async function lookAgain(sql: Db, asks: readonly Ask[]): Promise<Map<Ask, Date>> {
  if (asks.length === 0) return new Map()
  const rows = await sql<{ firstSeenAt: Date }[]>`
    select coalesce(l.first_seen_at, clock_timestamp()) as "firstSeenAt"
    from unnest(
      ${column(asks.map(({ request }) => request.projectId))}::text[],
      ${column(asks.map(({ request }) => request.key))}::text[]
    ) with ordinality as i (project_id, key, ord)
    left join lateral (select first_seen_at from locks where project_id = i.project_id and key = i.key offset 0) l
      on true
    order by i.ord`
  return new Map(asks.map((ask, index) => [ask, rows[index]!.firstSeenAt]))
}

/** Counts callers who were not let through to the locks at all. */
export const countRefused = (sql: Db, requests: readonly LockRequest[]) =>
  addUse(
    sql,
    requests.map(({ projectId }) => ({ projectId, kind: 'make', requests: 1, blocked: 1 })),
  )

/** Sweeps locks that have expired; returns how many. */
export async function deleteExpiredLocks(sql: Db, limit: number): Promise<number> {
  const rows = await sql`
    delete from locks where (project_id, key) in (
      select project_id, key from locks where expires_at < clock_timestamp() limit ${limit} for update skip locked)
      -- Asked again of the row as it is when it is locked: somebody may have taken it anew.
      and expires_at < clock_timestamp()
    returning 1`
  return rows.length
}
