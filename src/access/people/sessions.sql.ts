// Sessions: who is signed in. A session ends by itself when nobody used it for a while, and after a longer time anyway.
import type { Db } from '#postgres/sql.ts'

export type SessionRow = {
  id: string
  userId: string | null
  keyId: string | null
  projectId: string
  isSecure: boolean
  address: string
  userAgent: string | null
  createdAt: Date
  seenAt: Date
  expiresAt: Date
}

const columns = (sql: Db) => sql`
  s.id,
  s.user_id as "userId",
  s.key_id as "keyId",
  s.project_id as "projectId",
  s.is_secure as "isSecure",
  s.address,
  s.user_agent as "userAgent",
  s.created_at as "createdAt",
  s.seen_at as "seenAt",
  s.expires_at as "expiresAt"`

export type NewSession = Pick<
  SessionRow,
  'id' | 'userId' | 'keyId' | 'projectId' | 'isSecure' | 'address' | 'userAgent'
> & {
  hash: Buffer
  forSecs: number
}

/** A session of a key ends with its key at the latest. */
export async function insertSession(sql: Db, it: NewSession): Promise<SessionRow> {
  const [row] = await sql<SessionRow[]>`
    insert into sessions as s (
      id,
      hash,
      user_id,
      key_id,
      project_id,
      is_secure,
      address,
      user_agent,
      expires_at
    )
    select
      ${it.id},
      ${it.hash},
      ${it.userId},
      ${it.keyId}::uuid,
      ${it.projectId},
      ${it.isSecure},
      ${it.address},
      ${it.userAgent},
      date_trunc(
        'milliseconds',
        least(
          now() + ${it.forSecs}::float8 * interval '1 s',
          (select k.expires_at from api_keys k where k.id = ${it.keyId}::uuid)
        )
      )
    returning ${columns(sql)}`
  return row!
}

export type LiveSession = SessionRow & {
  /** Until it ends by itself, if nobody uses it. */
  validForMs: number
  /** Of the user, or of the key. */
  name: string
  isOwner: boolean
  email: string | null
  hasPassword: boolean
  keyScopes: string[] | null
  keyRateLimit: number | null
}

/** A session while it is valid, by its secret or its id, and whose it is. */
export async function findSession(
  sql: Db,
  by: { hash: Buffer } | { id: string },
  idleSecs: number,
): Promise<LiveSession | undefined> {
  const [row] = await sql<LiveSession[]>`
    select
      ${columns(sql)},
      extract(
        epoch from least(s.expires_at, s.seen_at + ${idleSecs}::float8 * interval '1 s', k.expires_at) - now()
      )::float8 * 1000 as "validForMs",
      coalesce(u.name, k.name) as name,
      coalesce(u.is_owner, false) as "isOwner",
      u.email,
      u.password is not null as "hasPassword",
      k.scopes as "keyScopes",
      k.rate_limit_per_minute as "keyRateLimit"
    from sessions s
    left join users u on u.id = s.user_id
    left join api_keys k on k.id = s.key_id
    where ${'hash' in by ? sql`s.hash = ${by.hash}` : sql`s.id = ${by.id}`}
      and s.ended_at is null
      and s.expires_at > now()
      and s.seen_at > now() - ${idleSecs}::float8 * interval '1 s'
      and u.removed_at is null
      and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > now())`
  return row
}

/** Open sessions of a user or of a key, newest first. */
export const listSessions = async (
  sql: Db,
  whose: { userId: string | null; keyId: string | null },
  { idleSecs, limit }: { idleSecs: number; limit: number },
): Promise<SessionRow[]> => [
  ...(await sql<SessionRow[]>`
    select ${columns(sql)} from sessions s
    where ${whose.userId === null ? sql`s.key_id = ${whose.keyId}` : sql`s.user_id = ${whose.userId}`}
      and s.ended_at is null
      and s.expires_at > now()
      and s.seen_at > now() - ${idleSecs}::float8 * interval '1 s'
    order by s.created_at desc, s.id desc limit ${limit}`),
]

type Whose = { userId: string | null; keyId: string | null }

/** Ends one session of somebody, or all of them but one; answers which. */
export async function endSessions(
  sql: Db,
  { userId, keyId, only, except }: Whose & { only?: string | undefined; except?: string | undefined },
): Promise<{ id: string; projectId: string }[]> {
  return [
    ...(await sql<{ id: string; projectId: string }[]>`
      update sessions set ended_at = now()
      where ${userId === null ? sql`key_id = ${keyId}` : sql`user_id = ${userId}`}
        and ended_at is null
        ${only === undefined ? sql`` : sql`and id = ${only}`}
        ${except === undefined ? sql`` : sql`and id <> ${except}`}
      returning id, project_id as "projectId"`),
  ]
}

/** Which sessions were used, and in which project last; written now and then, not with each request. */
export const touchSessions = (sql: Db, used: readonly { id: string; projectId: string }[]) => sql`
  update sessions s set seen_at = now(), project_id = t.project_id
  from unnest(${used.map((it) => it.id)}::uuid[], ${used.map((it) => it.projectId)}::text[]) as t (id, project_id)
  where s.id = t.id`

/** Sessions, links and counts of attempts that nobody asks for any more. */
export async function deleteOldSessions(sql: Db, limit: number): Promise<number> {
  const sessions = await sql`
    delete from sessions where id in (
      select sessions.id from sessions where expires_at < now() - interval '30 days' limit ${limit})
    returning 1`
  const links = await sql`
    delete from sign_in_links where id in (
      select sign_in_links.id from sign_in_links where expires_at < now() - interval '30 days' limit ${limit})
    returning 1`
  const attempts = await sql`
    delete from sign_in_attempts where subject in (
      select sign_in_attempts.subject from sign_in_attempts where begun_at < now() - interval '1 day' limit ${limit})
    returning 1`
  return Math.max(sessions.length, links.length, attempts.length)
}
