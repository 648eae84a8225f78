// A session as its own browser sees it: read from the database each time, so that it shows what has just been changed.
import { findProject } from '#access/keys.sql.ts'
import { findSession, type LiveSession } from '#access/people/sessions.sql.ts'
import { peopleSettings } from '#access/people/settings.ts'
import { findHome, listProjectsOf } from '#access/people/users.sql.ts'
import type { Ctx } from '#bell/ctx.ts'
import type { Session } from '#contract/people/sessions.ts'
import { refuse } from '#core/error.ts'
import { allScopes, type Role, scopesOf } from '#core/roles.ts'
import manifest from '../../../package.json' with { type: 'json' }

const PROJECTS_MAX = 500

type Reach = {
  projectId: string
  scopes: readonly string[]
  projects: { id: string; name: string; role: Role | null }[]
}

export async function sessionWire(ctx: Ctx, by: { hash: Buffer } | { id: string }, project?: string): Promise<Session> {
  const session = await findSession(ctx.sql, by, peopleSettings(ctx).idleSecs)
  const reach = session && (await (session.userId === null ? ofKey(ctx, session) : ofUser(ctx, session, project)))
  if (!reach) throw refuse('unauthorized', { reason: 'The session is unknown or has ended; sign in again.' })
  return {
    id: session.id,
    actor: {
      type: session.userId === null ? 'api_key' : 'user',
      id: (session.userId ?? session.keyId)!,
      name: session.name,
    },
    user:
      session.userId === null
        ? null
        : {
            id: session.userId,
            name: session.name,
            email: session.email,
            has_password: session.hasPassword,
            owner: session.isOwner,
          },
    scopes: allScopes(new Set(reach.scopes)),
    project_id: reach.projectId,
    projects: reach.projects,
    created_at: session.createdAt.toISOString(),
    expires_at: session.expiresAt.toISOString(),
    version: manifest.version,
  }
}

async function ofKey(ctx: Ctx, { projectId, keyScopes }: LiveSession): Promise<Reach | undefined> {
  const project = await findProject(ctx.sql, projectId)
  return (
    project && { projectId, scopes: keyScopes ?? [], projects: [{ id: projectId, name: project.name, role: null }] }
  )
}

async function ofUser(ctx: Ctx, session: LiveSession, asked: string | undefined): Promise<Reach | undefined> {
  const { isOwner } = session
  const userId = session.userId!
  const projects = await listProjectsOf(ctx.sql, { userId, isOwner }, PROJECTS_MAX)
  const projectId = asked ?? (await findHome(ctx.sql, { id: userId, isOwner }))
  if (projectId === undefined) return undefined
  const role = isOwner ? 'admin' : projects.find(({ id }) => id === projectId)?.role
  return role && { projectId, scopes: scopesOf({ role, isOwner }), projects }
}
