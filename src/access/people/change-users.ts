// What becomes of users: their names, passwords, roles. Who loses a right loses it at once, on every node.
import type { Ctx } from '#bell/ctx.ts'
import { type Tx, transact } from '#bell/transact.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { type Role, scopesOf } from '#core/roles.ts'
import { appendIn } from '#log/append-event.ts'
import { type Db, isDuplicate } from '#postgres/sql.ts'
import { checkRoleGift, findGiver } from '../giver.ts'
import { normalizeEmail } from './email.ts'
import { checkNewPassword, hashPassword, isPassword } from './passwords.ts'
import { endWithin } from './sessions.ts'
import { countSignIn } from './sign-in-limits.ts'
import {
  deleteMember,
  findHome,
  findMember,
  findPassword,
  listOwners,
  lockOwners,
  lockUser,
  type MemberRow,
  removeUser,
  setPassword,
  setRole,
  type UserRow,
  updateUser,
} from './users.sql.ts'

type Self = Cause & { userId: string; projectId: string }

/** What a user is called, and where they are reached. */
export async function changeProfile(
  ctx: Ctx,
  asked: Self & { name?: string | undefined; email?: string | null | undefined },
): Promise<void> {
  const email = typeof asked.email === 'string' ? normalizeEmail(asked.email) : asked.email
  await transact(ctx, async (tx) => {
    const user = await requireSelf(tx, asked.userId)
    // Without an address a password opens nothing.
    if (email === null && user.hasPassword) throw refuseField('email', 'is what you sign in with, beside your password')
    const changed = await updateUser(tx, user.id, { name: asked.name, email }).catch((error: unknown) => {
      if (isDuplicate(error)) return false
      throw error
    })
    if (!changed) throw refuseField('email', 'belongs to another account')
    await tell(tx, asked, { type: 'user.changed', userId: user.id, data: { name: asked.name ?? user.name } })
  })
}

type PasswordChange = Self & {
  sessionId: string
  address: string
  current: string | undefined
  password: string
}

/** Ends all other sessions: whoever knew the old password is out. */
export async function changePassword(ctx: Ctx, asked: PasswordChange): Promise<void> {
  const kept = await findPassword(ctx.sql, asked.userId)
  if (kept !== null) {
    // A session that was left open must not be a way to guess the password.
    const forgive = await countSignIn(ctx, { account: asked.userId, address: asked.address })
    if (!(await isPassword(asked.current ?? '', kept))) throw refuseField('current_password', 'is wrong')
    await forgive()
  }
  const user = await requireSelf(ctx.sql, asked.userId)
  if (user.email === null) throw refuseField('email', 'is needed to sign in with a password: set it first')
  checkNewPassword(asked.password, user)
  const hash = await hashPassword(asked.password)
  await transact(ctx, async (tx) => {
    await requireSelf(tx, asked.userId)
    if ((await findPassword(tx, asked.userId)) !== kept) throw refuseField('current_password', 'was changed meanwhile')
    await setPassword(tx, asked.userId, hash)
    await endWithin(tx, { ...asked, keyId: null, except: asked.sessionId })
    await tell(tx, asked, { type: 'user.password_changed', userId: asked.userId, data: {} })
  })
}

type OfMember = Cause & { projectId: string; userId: string }

/** The role of a user in a project; and whether they run the installation, which only who does may decide. */
export async function changeMember(
  ctx: Ctx,
  asked: OfMember & { role?: Role | undefined; isOwner?: boolean | undefined },
): Promise<MemberRow> {
  const { projectId, userId, role, isOwner } = asked
  return transact(ctx, async (tx) => {
    const member = await requireMember(tx, asked)
    if (role !== undefined) {
      checkRoleGift(await findGiver(tx, asked, projectId), scopesOf({ role, isOwner: false }))
      await setRole(tx, { projectId, userId, role })
    }
    if (isOwner !== undefined && isOwner !== member.isOwner) {
      checkRoleGift(await findGiver(tx, asked, projectId), scopesOf({ role: 'admin', isOwner: true }))
      if (!isOwner) await keepAnOwner(tx, userId)
      // Whoever was everywhere stays where it is decided.
      await setRole(tx, { projectId, userId, role: role ?? member.role })
      await updateUser(tx, userId, { isOwner })
    }
    const changed = (await findMember(tx, projectId, userId))!
    const data = { name: changed.name, role: changed.role, owner: changed.isOwner }
    await tell(tx, asked, { type: 'user.role_changed', userId, data })
    return changed
  })
}

/** Takes a user out of a project; out of the installation when it was their last one. */
export async function removeMember(ctx: Ctx, asked: OfMember): Promise<void> {
  const { projectId, userId } = asked
  await transact(ctx, async (tx) => {
    const member = await requireMember(tx, asked)
    if (member.isOwner) {
      checkRoleGift(await findGiver(tx, asked, projectId), scopesOf({ role: 'admin', isOwner: true }))
      await keepAnOwner(tx, userId)
      await updateUser(tx, userId, { isOwner: false })
    }
    await deleteMember(tx, projectId, userId)
    await tell(tx, asked, { type: 'user.removed', userId, data: { name: member.name, role: member.role } })
    if ((await findHome(tx, { id: userId, isOwner: false })) !== undefined) return
    await removeUser(tx, userId)
    await endWithin(tx, { ...asked, keyId: null })
  })
}

async function keepAnOwner(tx: Db, userId: string): Promise<void> {
  await lockOwners(tx)
  const owners = await listOwners(tx, 2)
  if (owners.every(({ id }) => id === userId)) throw refuse('last_owner', {})
}

/** Somebody in a project of others is not there for it. */
async function requireMember(tx: Db, { projectId, userId }: OfMember): Promise<MemberRow> {
  const user = await lockUser(tx, userId)
  const member = user && (await findMember(tx, projectId, userId))
  if (!member) throw refuse('user_not_found', { userId })
  return member
}

async function requireSelf(tx: Db, userId: string): Promise<UserRow> {
  const user = await lockUser(tx, userId)
  if (!user) throw refuse('unauthorized', { reason: 'This account was removed.' })
  return user
}

type Told = { type: string; userId: string; data: object }

function tell(tx: Tx, { actor, projectId }: Cause & { projectId: string }, { type, userId, data }: Told) {
  // Nodes that know this user forget what they know.
  tx.rings.add('keys')
  return appendIn(tx, [{ projectId, type, actor, resourceType: 'user', resourceId: userId, data }])
}
