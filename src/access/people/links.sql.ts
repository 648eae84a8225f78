// One-time links: of an invitation, of a user who cannot sign in otherwise, of the first start.
import type { Role } from '#core/roles.ts'
import { valuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'

export type LinkRow = {
  id: string
  userId: string | null
  projectId: string | null
  role: Role | null
  email: string | null
  name: string | null
  createdAt: Date
  createdBy: string | null
  expiresAt: Date
  usedAt: Date | null
  usedBy: string | null
  revokedAt: Date | null
}

const columns = (sql: Db) => sql`
  id,
  user_id as "userId",
  project_id as "projectId",
  role,
  email,
  name,
  created_at as "createdAt",
  created_by as "createdBy",
  expires_at as "expiresAt",
  used_at as "usedAt",
  used_by as "usedBy",
  revoked_at as "revokedAt"`

export type NewLink = Pick<LinkRow, 'id' | 'userId' | 'projectId' | 'role' | 'email' | 'name' | 'createdBy'> & {
  hash: Buffer
  forSecs: number
}

export async function insertLink(sql: Db, it: NewLink): Promise<LinkRow> {
  const [row] = await sql<LinkRow[]>`
    insert into sign_in_links ${valuesOf(sql, {
      id: it.id,
      hash: it.hash,
      user_id: it.userId,
      project_id: it.projectId,
      role: it.role,
      email: it.email,
      name: it.name,
      created_by: it.createdBy,
      expires_at: sql`date_trunc('milliseconds', now() + ${it.forSecs}::float8 * interval '1 s')`,
    })}
    returning ${columns(sql)}`
  return row!
}

/** The link with this hash while it opens something; locked, so that it does so once. */
export async function lockLink(tx: Db, hash: Buffer): Promise<LinkRow | undefined> {
  const [row] = await tx<LinkRow[]>`
    select ${columns(tx)} from sign_in_links
    where hash = ${hash}
      and used_at is null
      and revoked_at is null
      and expires_at > now()
    for update`
  return row
}

export const useLink = (tx: Db, linkId: string, userId: string) =>
  tx`update sign_in_links set used_at = now(), used_by = ${userId} where id = ${linkId}`

type Page = { after?: { createdAt: string; id: string } | undefined; limit: number }

/** Invitations to a project, newest first. */
export const listInvitations = async (sql: Db, projectId: string, { after, limit }: Page): Promise<LinkRow[]> => [
  ...(await sql<LinkRow[]>`
    select ${columns(sql)} from sign_in_links
    where project_id = ${projectId}
      ${after ? sql`and (created_at, id) < (${after.createdAt}::timestamptz, ${after.id}::uuid)` : sql``}
    order by created_at desc, id desc
    limit ${limit}`),
]

/** Undefined when the project has no such invitation. */
export async function findInvitation(tx: Db, projectId: string, id: string): Promise<LinkRow | undefined> {
  const [row] = await tx<LinkRow[]>`
    select ${columns(tx)} from sign_in_links
    where project_id = ${projectId}
      and id = ${id}
    for update`
  return row
}

export const revokeLink = (tx: Db, linkId: string) =>
  tx`update sign_in_links set revoked_at = now() where id = ${linkId} and revoked_at is null`
