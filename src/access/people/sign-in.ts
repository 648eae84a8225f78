// Signing in: by password, by a one-time link, or with an API key. Each makes a new session with a new secret: one that a
// browser brought along is never taken over (session fixation).
import type { Ctx } from '#bell/ctx.ts'
import { type Tx, transact } from '#bell/transact.ts'
import { refuse } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { appendIn } from '#log/append-event.ts'
import { newId } from '#postgres/id.ts'
import type { Db } from '#postgres/sql.ts'
import { hashKey } from '../api-keys.ts'
import { findValidKey } from '../keys.sql.ts'
import { normalizeEmail } from './email.ts'
import { type LinkRow, lockLink, useLink } from './links.sql.ts'
import { type Device, openFor, openSession } from './open-session.ts'
import { isPassword } from './passwords.ts'
import { countSignIn } from './sign-in-limits.ts'
import { hashToken } from './tokens.ts'
import {
  findAccount,
  findPassword,
  insertUser,
  listOwners,
  lockOwners,
  lockUser,
  setRole,
  type UserRow,
} from './users.sql.ts'

/** All answer the secret of the new session. */
export async function signInWithPassword(
  ctx: Ctx,
  { email: typed, password }: { email: string; password: string },
  device: Device,
): Promise<string> {
  const email = normalizeEmail(typed)
  const forgive = await countSignIn(ctx, { account: email, address: device.address })
  const account = await findAccount(ctx.sql, email)
  const isRight = await isPassword(password, account?.password ?? null)
  const token =
    !account || !isRight
      ? undefined
      : await transact(ctx, async (tx) => {
          const user = await lockUser(tx, account.id)
          // Changed while it was being checked: sessions of the old one have been ended already.
          if (!user || (await findPassword(tx, user.id)) !== account.password) return undefined
          return openFor(ctx, tx, { user, device, by: 'password' })
        })
  if (token === undefined) {
    ctx.log.warn({ address: device.address, user_id: account?.id }, 'a sign-in by password was refused')
    throw refuse('unauthorized', { reason: 'The e-mail address or the password is wrong.' })
  }
  await forgive()
  return token
}

export async function signInWithLink(ctx: Ctx, link: string, device: Device): Promise<string> {
  const forgive = await countSignIn(ctx, { address: device.address })
  const token = await transact(ctx, async (tx) => {
    const row = await lockLink(tx, hashToken(link))
    const user = row && (await userOf(tx, row))
    if (!user) throw refuse('link_over', {})
    await useLink(tx, row.id, user.id)
    return openFor(ctx, tx, { user, device, by: row.projectId ? 'invitation' : 'link' })
  })
  await forgive()
  return token
}

export async function signInWithKey(ctx: Ctx, key: string, device: Device): Promise<string> {
  const forgive = await countSignIn(ctx, { address: device.address })
  const row = await findValidKey(ctx.sql, hashKey(key))
  if (!row) throw refuse('unauthorized', { reason: 'The API key is unknown, expired or revoked.' })
  const token = await transact(ctx, (tx) =>
    openSession(ctx, tx, {
      userId: null,
      keyId: row.id,
      projectId: row.projectId,
      actor: { type: 'api_key', id: row.id },
      device,
      by: 'api_key',
    }),
  )
  await forgive()
  return token
}

/** Whom a link signs in: a user who is there, or one that it makes. Undefined when it is out of date. */
async function userOf(tx: Tx, link: LinkRow): Promise<UserRow | undefined> {
  if (link.userId) return lockUser(tx, link.userId)
  if (link.projectId === null) return makeOwner(tx)
  const name = link.name ?? link.email?.split('@', 1)[0] ?? 'New user'
  const user = await insertUser(tx, {
    id: newId(),
    name,
    email: link.email,
    isOwner: false,
    createdBy: link.createdBy,
  })
  // Whoever made the invitation must not come by an account that is somebody else's.
  if (!user) throw refuse('email_taken', {})
  await setRole(tx, { projectId: link.projectId, userId: user.id, role: link.role! })
  const actor: Actor = { type: 'user', id: user.id }
  await appendIn(tx, [
    {
      projectId: link.projectId,
      type: 'user.joined',
      actor,
      resourceType: 'user',
      resourceId: user.id,
      data: { name, role: link.role, invitation_id: link.id, invited_by: link.createdBy },
    },
  ])
  return user
}

/** The first user runs the installation. Of several links, one for each node that started, one makes them. */
async function makeOwner(tx: Db): Promise<UserRow | undefined> {
  await lockOwners(tx)
  const owners = await listOwners(tx, 1)
  if (owners.length > 0) return undefined
  return insertUser(tx, { id: newId(), name: 'Operator', email: null, isOwner: true, createdBy: null })
}
