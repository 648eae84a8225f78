// Whoever hands out a right holds it: asked of the key or the user as the database has them, so that no route and no
// dialect can forget to.
import { refuse } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { scopesOf } from '#core/roles.ts'
import { holdsScope, type Scope } from '#core/scopes.ts'
import type { Db } from '#postgres/sql.ts'
import { findAskingKey, type KeyRow } from './keys.sql.ts'
import { findOwner, findStanding } from './people/users.sql.ts'

export type Rights = Pick<KeyRow, 'scopes' | 'rateLimitPerMinute' | 'expiresAt'>

/**
 * In whose name a right is given: a key, or a user with a role in the project (without one: an owner). Nobody else gives
 * any: not a running attempt, not a duty.
 */
export async function findGiver(tx: Db, { actor }: Cause, projectId?: string): Promise<Rights> {
  if (actor.type === 'user' && actor.id !== null) {
    const standing =
      projectId === undefined ? await findOwner(tx, actor.id) : await findStanding(tx, projectId, actor.id)
    if (!standing) throw refuse('unauthorized', { reason: 'This account was removed from the project.' })
    return { scopes: [...scopesOf(standing)], rateLimitPerMinute: null, expiresAt: null }
  }
  if (actor.type !== 'api_key' || actor.id === null) throw refuse('wrong_credential', { needs: 'an API key' })
  const giver = await findAskingKey(tx, actor.id)
  if (!giver) throw refuse('unauthorized', { reason: 'The API key has expired or was revoked.' })
  return giver
}

/** Nobody gives what they lack: a scope, a longer life, a higher limit. */
export function checkGift(giver: Rights, given: Rights): void {
  checkScopes(giver, given.scopes)
  const { expiresAt, rateLimitPerMinute } = giver
  if (expiresAt && (!given.expiresAt || given.expiresAt > expiresAt))
    throw refuse('exceeds_own_rights', { what: `a key that ends after its own end, ${expiresAt.toISOString()}` })
  if (rateLimitPerMinute !== null && (given.rateLimitPerMinute ?? Number.POSITIVE_INFINITY) > rateLimitPerMinute)
    throw refuse('exceeds_own_rights', { what: `a key with more than its own ${rateLimitPerMinute} requests a minute` })
}

/** A role is held until it is taken away, and has no limit of its own: a key that has either gives none. */
export function checkRoleGift(giver: Rights, scopes: readonly string[]): void {
  checkScopes(giver, scopes)
  if (giver.expiresAt || giver.rateLimitPerMinute !== null)
    throw refuse('exceeds_own_rights', { what: 'a role, since it has an expiry or a rate limit of its own' })
}

/** An address triggers runs, or sends events, until it is deleted, and at a rate of its own. */
export function checkAddressGift(giver: Rights, rateLimitPerMinute: number): void {
  if (giver.expiresAt)
    throw refuse('exceeds_own_rights', { what: 'an address that outlives it: this key has an expiry' })
  if (giver.rateLimitPerMinute !== null && rateLimitPerMinute > giver.rateLimitPerMinute)
    throw refuse('exceeds_own_rights', {
      what: `an address with more than its own ${giver.rateLimitPerMinute} requests a minute`,
    })
}

/** For what gives somebody a lasting view of things: whoever sets it up may see them. */
export async function requireOwnScope(tx: Db, asked: Cause & { projectId: string }, scope: Scope): Promise<void> {
  checkScopes(await findGiver(tx, asked, asked.projectId), [scope])
}

function checkScopes(giver: Rights, scopes: readonly string[]): void {
  const held = new Set(giver.scopes)
  const lacking = scopes.find((scope) => !holdsScope(held, scope))
  if (lacking) throw refuse('forbidden', { scope: lacking })
}
