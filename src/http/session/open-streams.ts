// Streams that are open outlive the check of their request: each is cut off when its key, its session or its role no
// longer lets it in. Whoever follows it comes back with what they have then, or is told that it is not enough.
import type { ServerResponse } from 'node:http'
import { findAskingKey } from '#access/keys.sql.ts'
import { findSession } from '#access/people/sessions.sql.ts'
import { findStanding } from '#access/people/users.sql.ts'
import { scopesOf } from '#core/roles.ts'
import { holdsScope } from '#core/scopes.ts'
import type { Sql } from '#postgres/sql.ts'
import type { Caller, ScopedCaller, ViewCaller } from '../caller.ts'

export type OpenStreams = {
  follow: (caller: Caller, needs: string, response: ServerResponse) => void
  /** Looks at all again; streams of one key or session are one question. */
  recheck: () => Promise<void>
}

type Followed = { caller: ScopedCaller; needs: string; responses: Set<ServerResponse> }

/** Nothing revokes such a token: its streams end when it does. */
function endWithToken({ expiresInMs }: ViewCaller, response: ServerResponse): void {
  const timer = setTimeout(() => response.destroy(), expiresInMs).unref()
  response.once('close', () => clearTimeout(timer))
}

export function watchOpenStreams(sql: Sql, { idleSecs }: { idleSecs: number }): OpenStreams {
  const followed = new Map<string, Followed>()
  let checking: Promise<void> | undefined
  let again = false

  async function mayStay({ caller, needs }: Followed): Promise<boolean> {
    const { session, projectId } = caller
    if (session && !(await findSession(sql, { id: session.id }, idleSecs))) return false
    if (caller.kind === 'key') return (await findAskingKey(sql, caller.keyId)) !== undefined
    const standing = await findStanding(sql, projectId, caller.userId)
    return standing !== undefined && holdsScope(new Set(scopesOf(standing)), needs)
  }

  async function checkAll(): Promise<void> {
    do {
      again = false
      for (const one of [...followed.values()]) {
        // While the database is away nobody is sent off.
        const stays = await mayStay(one).catch(() => true)
        if (!stays) for (const response of one.responses) response.destroy()
      }
    } while (again)
  }

  return {
    follow(caller, needs, response) {
      if (caller.kind === 'run') return
      if (caller.kind === 'view') {
        endWithToken(caller, response)
        return
      }
      const name = JSON.stringify([caller.actor, caller.session?.id, caller.projectId, needs])
      const one = followed.get(name) ?? { caller, needs, responses: new Set() }
      followed.set(name, one)
      one.responses.add(response)
      response.once('close', () => {
        one.responses.delete(response)
        if (one.responses.size === 0) followed.delete(name)
      })
    },
    recheck() {
      again = true
      checking ??= checkAll().finally(() => {
        checking = undefined
      })
      return checking
    },
  }
}
