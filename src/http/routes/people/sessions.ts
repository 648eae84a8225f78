import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { changePassword, changeProfile } from '#access/people/change-users.ts'
import type { Device } from '#access/people/open-session.ts'
import { listSessions, type SessionRow } from '#access/people/sessions.sql.ts'
import { endAllSessions, endSession } from '#access/people/sessions.ts'
import { peopleSettings } from '#access/people/settings.ts'
import { signInWithKey, signInWithLink, signInWithPassword } from '#access/people/sign-in.ts'
import { hashToken } from '#access/people/tokens.ts'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/people/sessions.ts'
import { refuse, refuseField } from '#core/error.ts'
import { cutText } from '#core/storable.ts'
import type { SessionCaller, UserCaller } from '../../caller.ts'
import { implement } from '../../implement.ts'
import { clearSessionCookie, setSessionCookie } from '../../session/cookie.ts'
import type { Oidc } from '../../session/oidc.ts'
import { checkOriginIfSent, isOverHttps, type PublicAddress, pageUrl } from '../../session/origin.ts'
import { sessionWire } from '../../session/session-wire.ts'
import { toWire } from '../../wire/words.ts'

const SESSIONS_MAX = 200
const USER_AGENT_LENGTH_MAX = 256

type Parts = { address: PublicAddress; oidc: Oidc | undefined }

export function sessionRoutes(app: FastifyInstance, ctx: Ctx, { address, oidc }: Parts): void {
  implement(app, contract.getSignIn, (_, __, request) => ({
    oidc: oidc ? { issuer: oidc.settings.issuer.href, url: pageUrl(request, address, '/v1/session/oidc') } : null,
  }))
  implement(app, contract.signIn, async (input, _, request, reply) => {
    checkOriginIfSent(request, address)
    const device = deviceOf(request, address)
    const token = await signIn(ctx, input, device)
    setSessionCookie(reply, { token, isSecure: device.isSecure })
    return sessionWire(ctx, { hash: hashToken(token) })
  })
  implement(app, contract.getSession, (_, { session, projectId }) => sessionWire(ctx, { id: session.id }, projectId))
  implement(app, contract.signOut, async (_, caller, __, reply) => {
    await endSession(ctx, { ...whose(caller), sessionId: caller.session.id })
    return forget(reply, caller)
  })
  implement(app, contract.changeProfile, async ({ name, email }, caller) => {
    const { userId, projectId, actor, session } = requireUser(caller)
    await changeProfile(ctx, { userId, projectId, actor, name: name?.trim(), email })
    return sessionWire(ctx, { id: session.id }, projectId)
  })
  implement(app, contract.changePassword, async ({ current_password, password }, caller, request) => {
    const { userId, projectId, actor, session } = requireUser(caller)
    const asked = { userId, projectId, actor, sessionId: session.id, address: request.ip }
    await changePassword(ctx, { ...asked, current: current_password, password })
    return undefined
  })
  implement(app, contract.listSessions, async (_, caller) => {
    const { idleSecs } = peopleSettings(ctx)
    const rows = await listSessions(ctx.sql, whose(caller), { idleSecs, limit: SESSIONS_MAX })
    return { data: rows.map((row) => openWire(row, caller)) }
  })
  implement(app, contract.endSession, async ({ session_id }, caller, _, reply) => {
    await endSession(ctx, { ...whose(caller), sessionId: session_id })
    return session_id === caller.session.id ? forget(reply, caller) : undefined
  })
  implement(app, contract.endSessions, async (_, caller, __, reply) => {
    const ended = await endAllSessions(ctx, whose(caller))
    forget(reply, caller)
    return { ended }
  })
}

type SignIn = {
  api_key?: string | undefined
  email?: string | undefined
  password?: string | undefined
  link_token?: string | undefined
}

function signIn(ctx: Ctx, { api_key, email, password, link_token }: SignIn, device: Device): Promise<string> {
  const ways = [api_key, email ?? password, link_token].filter((way) => way !== undefined)
  if (ways.length !== 1) throw refuseField('body', 'must have either api_key, or email and password, or link_token')
  if (api_key !== undefined) return signInWithKey(ctx, api_key, device)
  if (link_token !== undefined) return signInWithLink(ctx, link_token, device)
  if (email === undefined) throw refuseField('email', 'is required')
  if (password === undefined) throw refuseField('password', 'is required')
  return signInWithPassword(ctx, { email, password }, device)
}

export function deviceOf(request: FastifyRequest, address: PublicAddress): Device {
  const agent = request.headers['user-agent']
  return {
    address: request.ip,
    userAgent: agent === undefined ? null : cutText(agent, USER_AGENT_LENGTH_MAX),
    isSecure: isOverHttps(request, address),
  }
}

/** What a person has and a key has not. */
function requireUser(caller: SessionCaller): UserCaller {
  if (caller.kind !== 'user') throw refuse('wrong_credential', { needs: 'the session of a person' })
  return caller
}

const whose = ({ actor, session: { userId, keyId } }: SessionCaller) => ({ actor, userId, keyId })

function forget(reply: FastifyReply, { session }: SessionCaller): undefined {
  clearSessionCookie(reply, session.isSecure)
}

function openWire(row: SessionRow, { session }: SessionCaller) {
  const { userId: _, keyId: __, projectId: ___, isSecure: ____, ...shown } = row
  return { ...toWire(shown), current: row.id === session.id }
}
