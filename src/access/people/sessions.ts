// Ending sessions: one's own, all of them, or those of somebody else.
import type { Ctx } from '#bell/ctx.ts'
import { type Tx, transact } from '#bell/transact.ts'
import { refuse } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { appendIn } from '#log/append-event.ts'
import { endSessions } from './sessions.sql.ts'

export type Whose = { userId: string | null; keyId: string | null }

/** One session of somebody. */
export async function endSession(ctx: Ctx, asked: Cause & Whose & { sessionId: string }): Promise<void> {
  const ended = await end(ctx, { ...asked, only: asked.sessionId })
  if (ended === 0) throw refuse('session_not_found', { sessionId: asked.sessionId })
}

/** All sessions of somebody, but perhaps for the one that asks; answers how many there were. */
export const endAllSessions = (ctx: Ctx, asked: Cause & Whose & { except?: string | undefined }): Promise<number> =>
  end(ctx, asked)

type Ending = Cause & Whose & { only?: string | undefined; except?: string | undefined }

const end = (ctx: Ctx, ending: Ending): Promise<number> => transact(ctx, (tx) => endWithin(tx, ending))

/** As a part of a transaction. */
export async function endWithin(tx: Tx, { actor, ...which }: Ending): Promise<number> {
  const ended = await endSessions(tx, which)
  if (ended.length === 0) return 0
  tx.rings.add('keys')
  await appendIn(
    tx,
    ended.map(({ id, projectId }) => ({
      projectId,
      type: 'session.ended',
      actor,
      resourceType: 'session',
      resourceId: id,
    })),
  )
  return ended.length
}
