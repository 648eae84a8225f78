// A new session, however somebody signed in: its secret, its row, its event.
import type { Ctx } from '#bell/ctx.ts'
import type { Tx } from '#bell/transact.ts'
import { refuse } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { appendIn } from '#log/append-event.ts'
import { newId } from '#postgres/id.ts'
import { insertSession } from './sessions.sql.ts'
import { peopleSettings } from './settings.ts'
import { hashToken, newSessionToken } from './tokens.ts'
import { findHome, type UserRow } from './users.sql.ts'

/** Where somebody signs in from. */
export type Device = { address: string; userAgent: string | null; isSecure: boolean }

type By = 'password' | 'link' | 'invitation' | 'api_key' | 'oidc'

/** A session of a user, in the project that they used last. */
export async function openFor(ctx: Ctx, tx: Tx, { user, device, by }: { user: UserRow; device: Device; by: By }) {
  const projectId = await findHome(tx, user)
  if (projectId === undefined) throw refuse('unauthorized', { reason: 'This account belongs to no project any more.' })
  return openSession(ctx, tx, {
    userId: user.id,
    keyId: null,
    projectId,
    actor: { type: 'user', id: user.id },
    device,
    by,
  })
}

type Opening = {
  userId: string | null
  keyId: string | null
  projectId: string
  actor: Actor
  device: Device
  by: By
}

/** Answers the secret of the new session. */
export async function openSession(ctx: Ctx, tx: Tx, { actor, device, by, ...whose }: Opening): Promise<string> {
  const token = newSessionToken()
  const session = await insertSession(tx, {
    ...whose,
    ...device,
    id: newId(),
    hash: hashToken(token),
    forSecs: peopleSettings(ctx).sessionSecs,
  })
  await appendIn(tx, [
    {
      projectId: whose.projectId,
      type: 'session.opened',
      actor,
      resourceType: 'session',
      resourceId: session.id,
      data: { by },
    },
  ])
  return token
}
