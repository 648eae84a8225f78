// Who calls with a session's cookie. A session is looked up once and remembered for moments; whatever ends one, or
// changes a role, rings, and every node forgets at once.
import type { FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { findSession, type LiveSession, touchSessions } from '#access/people/sessions.sql.ts'
import { hashToken } from '#access/people/tokens.ts'
import { findHome, findStanding } from '#access/people/users.sql.ts'
import { refuse } from '#core/error.ts'
import { scopesOf } from '#core/roles.ts'
import type { Sql } from '#postgres/sql.ts'
import type { SessionCaller } from '../caller.ts'
import type { SessionCookie } from './cookie.ts'

const REMEMBERED_MS = 2_000
const REMEMBERED_MAX = 10_000
const TOKEN_LENGTH_MAX = 128
const PROJECT_LENGTH_MAX = 64

export type SessionCallers = {
  callerOf: (request: FastifyRequest, cookie: SessionCookie) => Promise<SessionCaller>
  forget: () => void
  /** Writes down which sessions were used. */
  touch: () => Promise<void>
}

type KnownSession = SessionCaller & { rateLimitPerMinute: number | null }

export function makeSessionCallers(sql: Sql, { idleSecs }: { idleSecs: number }): SessionCallers {
  const known = new LRUCache<string, KnownSession>({ max: REMEMBERED_MAX })
  const used = new Map<string, string>()

  async function look(cookie: SessionCookie, project: string | undefined): Promise<KnownSession> {
    const { token, isSecure } = cookie
    const session =
      token.length > TOKEN_LENGTH_MAX ? undefined : await findSession(sql, { hash: hashToken(token) }, idleSecs)
    // A token of https that comes in a plain cookie was put there by somebody else.
    if (!session || session.isSecure !== isSecure)
      throw refuse('unauthorized', { reason: 'The session is unknown or has ended; sign in again.' })
    return callerIn(sql, session, project)
  }

  return {
    async callerOf({ headers }, cookie) {
      const project = projectOf(headers['runyard-project'])
      const name = JSON.stringify([cookie.token, cookie.isSecure, project])
      const remembered = known.get(name)
      const caller = remembered ?? (await look(cookie, project))
      if (!remembered) known.set(name, caller, { ttl: Math.max(1, Math.min(REMEMBERED_MS, caller.session.validForMs)) })
      used.set(caller.session.id, caller.projectId)
      return caller
    },
    forget: () => known.clear(),
    async touch() {
      const sessions = [...used].map(([id, projectId]) => ({ id, projectId }))
      used.clear()
      if (sessions.length > 0) await touchSessions(sql, sessions)
    },
  }
}

function projectOf(header: string | string[] | undefined): string | undefined {
  if (header === undefined || header === '') return undefined
  const project = String(header)
  if (project.length > PROJECT_LENGTH_MAX) throw refuse('project_not_found', { projectId: 'of such a long name' })
  return project
}

/** A project that the session does not reach is not there for it. */
async function callerIn(sql: Sql, session: LiveSession, asked: string | undefined): Promise<KnownSession> {
  const projectId = asked ?? session.projectId
  if (session.keyId !== null) {
    if (projectId !== session.projectId) throw refuse('project_not_found', { projectId })
    return {
      kind: 'key',
      projectId,
      keyId: session.keyId,
      scopes: new Set(session.keyScopes),
      actor: { type: 'api_key', id: session.keyId },
      rateLimitPerMinute: session.keyRateLimit,
      session,
    }
  }
  return userIn(sql, session, asked)
}

async function userIn(sql: Sql, session: LiveSession, asked: string | undefined): Promise<KnownSession> {
  const userId = session.userId!
  const last = asked ?? session.projectId
  const standing = await findStanding(sql, last, userId)
  if (!standing && asked !== undefined) throw refuse('project_not_found', { projectId: asked })
  // They were taken out of the project that they used last.
  const projectId = standing ? last : await findHome(sql, { id: userId, isOwner: session.isOwner })
  const there = standing ?? (projectId === undefined ? undefined : await findStanding(sql, projectId, userId))
  if (projectId === undefined || !there)
    throw refuse('unauthorized', { reason: 'This account belongs to no project any more.' })
  return {
    kind: 'user',
    projectId,
    userId,
    scopes: new Set<string>(scopesOf(there)),
    actor: { type: 'user', id: userId },
    rateLimitPerMinute: null,
    session,
  }
}
