// Signing in with an identity that a provider vouches for. What the provider says decides: who may come in, and what the
// groups that the operator listed give, at each sign-in anew.
import type { Ctx } from '#bell/ctx.ts'
import { type Tx, transact } from '#bell/transact.ts'
import { refuse } from '#core/error.ts'
import { newId } from '#postgres/id.ts'
import type { Db } from '#postgres/sql.ts'
import { projectExists } from '../keys.sql.ts'
import { normalizeEmail } from './email.ts'
import { type Given, type GroupRole, givenBy } from './group-roles.ts'
import { findIdentity, lockIdentity, setIdentity } from './identities.sql.ts'
import { type Device, openFor } from './open-session.ts'
import { endWithin } from './sessions.ts'
import { countSignIn } from './sign-in-limits.ts'
import {
  deleteMember,
  findAccount,
  insertUser,
  listOwners,
  lockOwners,
  lockUser,
  setPassword,
  setRole,
  type UserRow,
  updateUser,
} from './users.sql.ts'

export type Identity = {
  issuer: string
  /** The provider's own id of the person. */
  subject: string
  name: string | undefined
  /** Undefined where the provider has not verified it. */
  email: string | undefined
  groups: readonly string[]
}

export type Admission = {
  /** Domains of e-mail addresses that may come in; empty: all. */
  domains: readonly string[]
  /** Empty: the provider gives no roles, and who comes in must have been invited. */
  roles: readonly GroupRole[]
}

/** Answers the secret of the new session. */
export async function signInWithIdentity(
  ctx: Ctx,
  { identity, admission }: { identity: Identity; admission: Admission },
  device: Device,
): Promise<string> {
  const forgive = await countSignIn(ctx, { address: device.address })
  const email = identity.email === undefined ? null : normalizeEmail(identity.email)
  const domain = email?.split('@').at(-1)
  if (admission.domains.length > 0 && !admission.domains.some((it) => it === domain))
    throw refuse('not_admitted', { reason: 'Your e-mail address is not of a domain that may sign in here.' })
  const given = givenBy(admission.roles, identity.groups)
  const token = await transact(ctx, async (tx) => {
    // Nodes that know this user forget what they know.
    tx.rings.add('keys')
    await lockIdentity(tx, identity)
    const user = await userOf(tx, { ...identity, email }, given)
    await setIdentity(tx, identity, user.id)
    if (admission.roles.length > 0) await applyRoles(tx, user, { given, table: admission.roles })
    const changed = await lockUser(tx, user.id)
    return openFor(ctx, tx, { user: changed!, device, by: 'oidc' })
  })
  await forgive()
  return token
}

async function userOf(tx: Tx, it: Omit<Identity, 'email'> & { email: string | null }, given: Given): Promise<UserRow> {
  const known = await findIdentity(tx, it)
  const user = known && (await lockUser(tx, known))
  if (user) return user
  const account = it.email === null ? undefined : await findAccount(tx, it.email)
  if (account) {
    // The provider vouches for the address, and whoever made the account did not: their password and sessions end.
    await setPassword(tx, account.id, null)
    await endWithin(tx, { actor: { type: 'user', id: account.id }, userId: account.id, keyId: null })
    return account
  }
  if (!given.isOwner && given.roles.size === 0)
    throw refuse('not_admitted', { reason: 'No project has a role for you; ask somebody to invite you.' })
  const name = it.name ?? it.email?.split('@', 1)[0] ?? 'New user'
  const made = await insertUser(tx, { id: newId(), name, email: it.email, isOwner: false, createdBy: null })
  if (!made) throw refuse('email_taken', {})
  return made
}

/** Projects that the table names are the provider's to decide; roles elsewhere were given by people, and stay. */
async function applyRoles(
  tx: Db,
  user: UserRow,
  { given, table }: { given: Given; table: readonly GroupRole[] },
): Promise<void> {
  const projects = new Set(table.flatMap((entry) => (entry.role === 'owner' ? [] : [entry.projectId])))
  for (const projectId of projects) {
    const role = given.roles.get(projectId)
    if (role === undefined) await deleteMember(tx, projectId, user.id)
    else if (await projectExists(tx, projectId)) await setRole(tx, { projectId, userId: user.id, role })
  }
  const decidesOwners = table.some(({ role }) => role === 'owner')
  if (!decidesOwners || given.isOwner === user.isOwner) return
  if (!given.isOwner && (await isLastOwner(tx, user.id))) return
  await updateUser(tx, user.id, { isOwner: given.isOwner })
}

async function isLastOwner(tx: Db, userId: string): Promise<boolean> {
  await lockOwners(tx)
  const owners = await listOwners(tx, 2)
  return owners.every(({ id }) => id === userId)
}
