// Identities: whom a provider of them knows as which of our users.
import type { Db } from '#postgres/sql.ts'

export type IdentityName = { issuer: string; subject: string }

/** Undefined for who has never signed in, or was removed since. */
export async function findIdentity(tx: Db, { issuer, subject }: IdentityName): Promise<string | undefined> {
  const [row] = await tx<{ userId: string }[]>`
    select i.user_id as "userId" from user_identities i join users u on u.id = i.user_id
    where i.issuer = ${issuer}
      and i.subject = ${subject}
      and u.removed_at is null`
  return row?.userId
}

/** Of somebody who was removed and comes back, the new account takes the place of the old one. */
export const setIdentity = (tx: Db, { issuer, subject }: IdentityName, userId: string) => tx`
  insert into user_identities (issuer, subject, user_id) values (${issuer}, ${subject}, ${userId})
  on conflict (issuer, subject) do update set user_id = excluded.user_id`

/** One sign-in of an identity at a time: its first one makes a user. */
export const lockIdentity = (tx: Db, { issuer, subject }: IdentityName) =>
  tx`select pg_advisory_xact_lock(hashtextextended(${`identity ${issuer} ${subject}`}, 3))`
