// How people come in: an invitation to a project, or a link that signs in who is there already. Each opens once.
import type { Ctx } from '#bell/ctx.ts'
import { type Tx, transact } from '#bell/transact.ts'
import { refuse } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { ROLES, type Role, scopesOf } from '#core/roles.ts'
import { appendIn } from '#log/append-event.ts'
import { newId } from '#postgres/id.ts'
import type { Sql } from '#postgres/sql.ts'
import { checkRoleGift, findGiver } from '../giver.ts'
import { normalizeEmail } from './email.ts'
import { findInvitation, insertLink, type LinkRow, lockLink, revokeLink, useLink } from './links.sql.ts'
import { hashToken, newLinkToken } from './tokens.ts'
import { findMember, findStanding, listOwners, lockUser, setRole } from './users.sql.ts'

const LINK_SECS = 24 * 3_600

type Invited = { role: Role; email?: string | undefined; name?: string | undefined; forSecs: number }

export async function inviteUser(
  ctx: Ctx,
  asked: Cause & { projectId: string } & Invited,
): Promise<{ row: LinkRow; token: string }> {
  const { projectId, role, actor } = asked
  const token = newLinkToken()
  const row = await transact(ctx, async (tx) => {
    checkRoleGift(await findGiver(tx, asked, projectId), scopesOf({ role, isOwner: false }))
    const made = await insertLink(tx, {
      id: newId(),
      hash: hashToken(token),
      userId: null,
      projectId,
      role,
      email: asked.email === undefined ? null : normalizeEmail(asked.email),
      name: asked.name ?? null,
      createdBy: actor.id,
      forSecs: asked.forSecs,
    })
    await tell(tx, asked, { type: 'invitation.created', id: made.id, data: { role } })
    return made
  })
  return { row, token }
}

/** For somebody who has an account: it joins them to the project of the invitation. A wider role is not taken away. */
export async function acceptInvitation(
  ctx: Ctx,
  { token, userId, actor }: Cause & { token: string; userId: string },
): Promise<string> {
  return transact(ctx, async (tx) => {
    const link = await lockLink(tx, hashToken(token))
    const user = await lockUser(tx, userId)
    if (!link || !user || link.projectId === null || link.userId !== null) throw refuse('link_over', {})
    const { projectId } = link
    const role = link.role!
    const held = await findStanding(tx, projectId, userId)
    if (!held || ROLES.indexOf(role) > ROLES.indexOf(held.role)) await setRole(tx, { projectId, userId, role })
    await useLink(tx, link.id, userId)
    const data = { name: user.name, role, invitation_id: link.id, invited_by: link.createdBy }
    // Nodes that know this user forget what they know.
    tx.rings.add('keys')
    await appendIn(tx, [{ projectId, type: 'user.joined', actor, resourceType: 'user', resourceId: userId, data }])
    return projectId
  })
}

export async function revokeInvitation(
  ctx: Ctx,
  asked: Cause & { projectId: string; invitationId: string },
): Promise<void> {
  await transact(ctx, async (tx) => {
    const row = await findInvitation(tx, asked.projectId, asked.invitationId)
    if (!row) throw refuse('invitation_not_found', { invitationId: asked.invitationId })
    if (row.usedAt || row.revokedAt) return
    await revokeLink(tx, row.id)
    await tell(tx, asked, { type: 'invitation.revoked', id: row.id, data: { role: row.role } })
  })
}

/** Signs in a user who cannot otherwise. It opens all that they may do, in every project: a gift of the installation's owner. */
export async function makeSignInLink(
  ctx: Ctx,
  asked: Cause & { projectId: string; userId: string },
): Promise<{ row: LinkRow; token: string }> {
  const { projectId, userId, actor } = asked
  const token = newLinkToken()
  const row = await transact(ctx, async (tx) => {
    checkRoleGift(await findGiver(tx, asked, projectId), scopesOf({ role: 'admin', isOwner: true }))
    const user = await findMember(tx, projectId, userId)
    if (!user) throw refuse('user_not_found', { userId })
    const made = await insertLink(tx, { ...ofUser(userId, token), createdBy: actor.id })
    const data = { name: user.name }
    await appendIn(tx, [
      { projectId, type: 'user.link_created', actor, resourceType: 'user', resourceId: userId, data },
    ])
    return made
  })
  return { row, token }
}

/**
 * The link that a start prints: it makes the first owner, or signs in the one there is when `mayReturn`. Undefined when
 * there is one and it may not.
 */
export async function makeFirstLink(sql: Sql, mayReturn: boolean): Promise<string | undefined> {
  const [owner] = await listOwners(sql, 1)
  if (owner && !mayReturn) return undefined
  const token = newLinkToken()
  await insertLink(sql, { ...ofUser(owner?.id ?? null, token), createdBy: null })
  return token
}

const ofUser = (userId: string | null, token: string) => ({
  id: newId(),
  hash: hashToken(token),
  userId,
  projectId: null,
  role: null,
  email: null,
  name: null,
  forSecs: LINK_SECS,
})

type Told = { type: string; id: string; data: object }

const tell = (tx: Tx, { actor, projectId }: Cause & { projectId: string }, { type, id, data }: Told) =>
  appendIn(tx, [{ projectId, type, actor, resourceType: 'invitation', resourceId: id, data }])
