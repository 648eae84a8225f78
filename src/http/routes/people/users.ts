import type { FastifyInstance, FastifyRequest } from 'fastify'
import { changeMember, removeMember } from '#access/people/change-users.ts'
import { acceptInvitation, inviteUser, makeSignInLink, revokeInvitation } from '#access/people/invitations.ts'
import { type LinkRow, listInvitations } from '#access/people/links.sql.ts'
import { endAllSessions } from '#access/people/sessions.ts'
import { findMember, listMembers, type MemberRow } from '#access/people/users.sql.ts'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/people/users.ts'
import { refuse } from '#core/error.ts'
import { implement } from '../../implement.ts'
import { type PublicAddress, pageUrl } from '../../session/origin.ts'
import { createdCursor, createdKey, encodeCursor, pageOf } from '../../wire/cursor.ts'
import { toWire } from '../../wire/words.ts'

const HOUR_SECS = 3_600

const userWire = ({ isOwner, ...row }: MemberRow) => ({ ...toWire(row), owner: isOwner })

function invitationWire(row: LinkRow) {
  const { userId: _, projectId: __, role, ...shown } = row
  return { ...toWire(shown), role: role! }
}

export function userRoutes(app: FastifyInstance, ctx: Ctx, address: PublicAddress): void {
  const linkUrl = (request: FastifyRequest, token: string) => pageUrl(request, address, signInPage(token))

  implement(app, contract.listUsers, async ({ cursor, limit }, { projectId }) => {
    const rows = await listMembers(ctx.sql, projectId, { after: createdCursor('users', cursor), limit: limit + 1 })
    return pageOf(rows, limit, { wire: userWire, cursor: (user) => encodeCursor('users', createdKey(user)) })
  })
  implement(app, contract.getUser, async ({ user_id }, { projectId }) =>
    userWire(await requireMember(ctx, projectId, user_id)),
  )
  implement(app, contract.changeUser, async ({ user_id, role, owner }, { projectId, actor }) =>
    userWire(await changeMember(ctx, { projectId, actor, userId: user_id, role, isOwner: owner })),
  )
  implement(app, contract.removeUser, async ({ user_id }, { projectId, actor }) => {
    await removeMember(ctx, { projectId, actor, userId: user_id })
    return undefined
  })
  implement(app, contract.createUserLink, async ({ user_id }, { projectId, actor }, request) => {
    const { row, token } = await makeSignInLink(ctx, { projectId, actor, userId: user_id })
    return { url: linkUrl(request, token), expires_at: row.expiresAt.toISOString() }
  })
  implement(app, contract.endUserSessions, async ({ user_id }, { projectId, actor }) => {
    await requireMember(ctx, projectId, user_id)
    return { ended: await endAllSessions(ctx, { actor, userId: user_id, keyId: null }) }
  })
  implement(app, contract.createInvitation, async (input, { projectId, actor }, request) => {
    const { role, email, name, expires_in_hours } = input
    const asked = { projectId, actor, role, email, name: name?.trim(), forSecs: expires_in_hours * HOUR_SECS }
    const { row, token } = await inviteUser(ctx, asked)
    return { ...invitationWire(row), url: linkUrl(request, token) }
  })
  implement(app, contract.listInvitations, async ({ cursor, limit }, { projectId }) => {
    const after = createdCursor('invitations', cursor)
    const rows = await listInvitations(ctx.sql, projectId, { after, limit: limit + 1 })
    return pageOf(rows, limit, {
      wire: invitationWire,
      cursor: (row) => encodeCursor('invitations', createdKey(row)),
    })
  })
  implement(app, contract.revokeInvitation, async ({ invitation_id }, { projectId, actor }) => {
    await revokeInvitation(ctx, { projectId, actor, invitationId: invitation_id })
    return undefined
  })
  implement(app, contract.acceptInvitation, async ({ link_token }, caller) => {
    if (caller.kind !== 'user') throw refuse('wrong_credential', { needs: 'the session of a person' })
    const { userId, actor } = caller
    return { project_id: await acceptInvitation(ctx, { token: link_token, userId, actor }) }
  })
}

/** The page that opens a link. What is behind `#` stays in the browser: no proxy and no log sees it. */
export const signInPage = (token: string): string => `/sign-in#token=${token}`

async function requireMember(ctx: Ctx, projectId: string, userId: string): Promise<MemberRow> {
  const member = await findMember(ctx.sql, projectId, userId)
  if (!member) throw refuse('user_not_found', { userId })
  return member
}
