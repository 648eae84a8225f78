// Credentials: `Authorization: Bearer <key or run token>` or `X-API-Key`. A key is looked up once and remembered for
// moments; a revocation rings, and every node forgets at once.

import type { FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { hashKey } from '#access/api-keys.ts'
import { findValidKey, touchKeys } from '#access/keys.sql.ts'
import { looksLikeRunToken, type RunTokens } from '#access/run-tokens.ts'
import { holdBackWrongKeys } from '#access/wrong-keys.ts'
import { Refusal, refuse } from '#core/error.ts'
import type { Sql } from '#postgres/sql.ts'
import type { Caller, KeyCaller } from './caller.ts'

/** How long a revocation may go unnoticed when its ring is lost. */
const REMEMBERED_MS = 2_000
const REMEMBERED_MAX = 10_000
const CREDENTIAL_LENGTH_MAX = 4_096
const TOUCH_EVERY_MS = 60_000

export type KnownKey = KeyCaller & { rateLimitPerMinute: number | null }

export type Authenticator = {
  authenticate: (request: FastifyRequest) => Promise<Caller>
  forget: () => void
  close: () => Promise<void>
}

export function makeAuthenticator({ sql, tokens }: { sql: Sql; tokens: RunTokens }): Authenticator {
  const known = new LRUCache<string, KnownKey>({ max: REMEMBERED_MAX })
  const holdBack = holdBackWrongKeys()
  const used = new Set<string>()
  const touch = async () => {
    const ids = [...used]
    used.clear()
    // Only for people to look at: a failure is tried again with the next use.
    if (ids.length > 0) await touchKeys(sql, ids).catch(() => {})
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
      const { runId, projectId, attempt, leaseToken, owner } = claims
      return { kind: 'run', runId, projectId, attempt, leaseToken, actor: { type: 'worker', id: owner } }
    }
    const caller = await keyCaller(credential)
    used.add(caller.keyId)
    return caller
  }

  return {
    async authenticate(request) {
      const [first, ...others] = credentialsOf(request)
      return callerWith(first!).catch(async (error: unknown) => {
        // One that is no good says nothing against another one.
        for (const other of isUnauthorized(error) ? others : []) {
          const caller = await callerWith(other).catch((also: unknown) => {
            if (!isUnauthorized(also)) throw also
          })
          if (caller) return caller
        }
        if (isUnauthorized(error)) await holdBack(request.ip, first!)
        throw error
      })
    },
    forget: () => known.clear(),
    async close() {
      clearInterval(timer)
      await touch()
    },
  }
}

/** Whatever a request carries, where its route looks for it; at least one. */
function credentialsOf({ headers, routeOptions }: FastifyRequest): string[] {
  const { authorization, cookie } = headers
  const apiKey = headers['x-api-key']
  const { keyCookie, needs } = routeOptions.config.route ?? {}
  const credentials = [
    authorization?.match(/^Bearer +(\S+) *$/i)?.[1],
    typeof apiKey === 'string' ? apiKey.trim() : undefined,
    keyCookie && cookie ? cookieOf(cookie, keyCookie) : undefined,
  ].filter((it): it is string => it !== undefined && it !== '')
  if (credentials.length > 0) return credentials
  throw refuse('unauthorized', {
    reason:
      needs === 'run_token'
        ? 'Send the token that the attempt was given as `Authorization: Bearer <token>`.'
        : 'Send a key as `Authorization: Bearer <key>` or `X-API-Key: <key>`.',
  })
}

const isUnauthorized = (error: unknown): boolean => error instanceof Refusal && error.code === 'unauthorized'

/** The value of a cookie, which may stand in quotes. */
const cookieOf = (cookies: string, name: string): string | undefined =>
  cookies
    .split(';')
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith(`${name}=`))
    ?.slice(name.length + 1)
    .replace(/^"(.*)"$/, '$1')
