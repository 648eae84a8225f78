// Credentials: `Authorization: Bearer <key or run token>` or `X-API-Key`. A key is looked up once and remembered for
// moments; a revocation rings, and every node forgets at once. Where there is neither, the cookie of a session.

import type { FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { hashKey } from '#access/api-keys.ts'
import { findValidKey, touchKeys } from '#access/keys.sql.ts'
import { looksLikeRunToken, type RunClaims, type RunTokens, type ViewClaims } from '#access/run-tokens.ts'
import { holdBackWrongKeys } from '#access/wrong-keys.ts'
import { Refusal, refuse } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import type { Sql } from '#postgres/sql.ts'
import type { Caller, KeyCaller } from './caller.ts'
import { cookieValue, hasSessionCookie, sessionCookieOf } from './session/cookie.ts'
import { type OpenStreams, watchOpenStreams } from './session/open-streams.ts'
import { checkOrigin, isOverHttps, type PublicAddress } from './session/origin.ts'
import { makeSessionCallers } from './session/session-callers.ts'

/** How long a revocation may go unnoticed when its ring is lost. */
const REMEMBERED_MS = 2_000
const REMEMBERED_MAX = 10_000
const CREDENTIAL_LENGTH_MAX = 4_096
const TOUCH_EVERY_MS = 60_000
/** Reads, and is never the actor of anything. */
const VIEWER: Actor = { type: 'user', id: null }

export type KnownKey = KeyCaller & { rateLimitPerMinute: number | null }

export type Authenticator = {
  authenticate: (request: FastifyRequest) => Promise<Caller>
  /** Keys, sessions or roles have changed. */
  forget: () => void
  follow: OpenStreams['follow']
  close: () => Promise<void>
}

type Parts = { sql: Sql; tokens: RunTokens; address: PublicAddress; idleSecs: number }

export function makeAuthenticator({ sql, tokens, address, idleSecs }: Parts): Authenticator {
  const known = new LRUCache<string, KnownKey>({ max: REMEMBERED_MAX })
  const sessions = makeSessionCallers(sql, { idleSecs })
  const streams = watchOpenStreams(sql, { idleSecs })
  const holdBack = holdBackWrongKeys()
  const used = new Set<string>()
  const touch = async () => {
    const ids = [...used]
    used.clear()
    // Only for display: a failure is retried at the next use.
    if (ids.length > 0) await touchKeys(sql, ids).catch(() => {})
    await sessions.touch().catch(() => {})
    // What ends by itself rings nobody.
    await streams.recheck()
  }
  const timer = setInterval(touch, TOUCH_EVERY_MS).unref()

  async function keyCaller(key: string): Promise<KnownKey> {
    const remembered = known.get(key)
    if (remembered) return remembered
    const row = await findValidKey(sql, hashKey(key))
    if (!row) throw refuse('unauthorized', { reason: 'The API key is unknown, expired or revoked.' })
    const caller: KnownKey = {
      kind: 'key',
      projectId: row.projectId,
      keyId: row.id,
      scopes: new Set(row.scopes),
      actor: { type: 'api_key', id: row.id },
      rateLimitPerMinute: row.rateLimitPerMinute,
    }
    known.set(key, caller, { ttl: Math.max(1, Math.min(REMEMBERED_MS, row.validForMs ?? REMEMBERED_MS)) })
    return caller
  }

  async function callerWith(credential: string): Promise<Caller> {
    if (credential.length > CREDENTIAL_LENGTH_MAX)
      throw refuse('unauthorized', { reason: 'The credential is too long to be valid.' })
    if (looksLikeRunToken(credential)) {
      const claims = tokens.verify(credential)
      if (!claims) throw refuse('unauthorized', { reason: 'The run token is invalid or has expired.' })
      return tokenCaller(claims)
    }
    const caller = await keyCaller(credential)
    used.add(caller.keyId)
    return caller
  }

  async function bySession(request: FastifyRequest): Promise<Caller> {
    if (hasSessionCookie(request)) checkOrigin(request, address)
    const cookie = sessionCookieOf(request, isOverHttps(request, address))
    if (!cookie) throw refuse('unauthorized', { reason: adviceFor(request) })
    return sessions.callerOf(request, cookie).catch(async (error: unknown) => {
      if (isUnauthorized(error)) await holdBack(request.ip, cookie.token)
      throw error
    })
  }

  return {
    async authenticate(request) {
      const [first, ...others] = credentialsOf(request)
      if (first === undefined) return bySession(request)
      return callerWith(first).catch(async (error: unknown) => {
        // One that is no good says nothing against another one.
        for (const other of isUnauthorized(error) ? others : []) {
          const caller = await callerWith(other).catch((also: unknown) => {
            if (!isUnauthorized(also)) throw also
          })
          if (caller) return caller
        }
        if (isUnauthorized(error)) await holdBack(request.ip, first)
        throw error
      })
    },
    forget() {
      known.clear()
      sessions.forget()
      void streams.recheck()
    },
    follow: streams.follow,
    async close() {
      clearInterval(timer)
      await touch()
    },
  }
}

function tokenCaller(claims: RunClaims | ViewClaims): Caller {
  if ('viewedRunId' in claims) return { kind: 'view', ...claims, actor: VIEWER }
  const { owner, ...run } = claims
  return { kind: 'run', ...run, actor: { type: 'worker', id: owner } }
}

/** Whatever a request carries, where its route looks for it. */
function credentialsOf({ headers, routeOptions }: FastifyRequest): string[] {
  const { authorization, cookie } = headers
  const apiKey = headers['x-api-key']
  const { keyCookie } = routeOptions.config.route ?? {}
  return [
    authorization?.match(/^Bearer +(\S+) *$/i)?.[1],
    typeof apiKey === 'string' ? apiKey.trim() : undefined,
    keyCookie && cookie ? cookieValue(cookie, keyCookie) : undefined,
  ].filter((it): it is string => it !== undefined && it !== '')
}

const adviceFor = ({ routeOptions }: FastifyRequest): string =>
  routeOptions.config.route?.needs === 'run_token'
    ? 'Send the token that the attempt was given as `Authorization: Bearer <token>`.'
    : 'Send a key as `Authorization: Bearer <key>` or `X-API-Key: <key>`.'

const isUnauthorized = (error: unknown): boolean => error instanceof Refusal && error.code === 'unauthorized'
