// Replies of calls that carried an idempotency key: the second call with the key is given the first one's reply.
import type { Db } from '#postgres/sql.ts'

export type KeptReply = { fingerprint: string; status: number | null; body: string | null }

type Reservation = { projectId: string; key: string; fingerprint: string; seconds: number }

/** Reserves a key for a call that begins now; the reply or reservation that holds it when it is taken. */
export async function reserveReply(sql: Db, it: Reservation): Promise<KeptReply | undefined> {
  for (;;) {
    const [mine] = await sql`
      insert into kept_replies as k (project_id, key, fingerprint, expires_at)
      values (
        ${it.projectId},
        ${it.key},
        decode(${it.fingerprint}, 'hex'),
        now() + ${it.seconds}::float8 * interval '1 s'
      )
      on conflict (project_id, key) do update set
        fingerprint = excluded.fingerprint,
        status = null,
        reply = null,
        expires_at = excluded.expires_at
      where k.expires_at < now()
      returning key`
    if (mine) return undefined
    const [held] = await sql<KeptReply[]>`
      select encode(fingerprint, 'hex') as fingerprint, status, reply #>> '{}' as body from kept_replies
      where project_id = ${it.projectId} and key = ${it.key}`
    // Given back in between: it is free again.
    if (held) return held
  }
}

export const keepReply = (
  sql: Db,
  it: { projectId: string; key: string; status: number; body: string; seconds: number },
) => sql`
  update kept_replies
  set
    status = ${it.status},
    reply = to_jsonb(${it.body}::text),
    expires_at = now() + ${it.seconds}::float8 * interval '1 s'
  where project_id = ${it.projectId} and key = ${it.key}`

/** A call that was refused or failed changed nothing: its key may be used again. */
export const freeReply = (sql: Db, projectId: string, key: string) => sql`
  delete from kept_replies
  where project_id = ${projectId}
    and key = ${key}
    and status is null`
