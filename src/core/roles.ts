// Roles of people: names for sets of scopes. What a role may do is decided by its scopes alone.
import { holdsScope, SCOPES, type Scope } from './scopes.ts'

export const ROLES = ['viewer', 'approver', 'operator', 'admin'] as const
export type Role = (typeof ROLES)[number]

const READS: readonly Scope[] = ['runs:read', 'jobs:read', 'events:read', 'agents:read']
const WRITES: readonly Scope[] = ['runs:write', 'jobs:write', 'events:write', 'agents:write']

const SCOPES_OF: Readonly<Record<Role, readonly Scope[]>> = {
  viewer: READS,
  approver: [...READS, 'inputs:answer'],
  operator: [...READS, ...WRITES],
  admin: ['admin'],
}

/** Who runs the installation is the admin of every project, and makes projects. */
const OWNER: readonly Scope[] = ['admin', 'projects']

export type Standing = { role: Role; isOwner: boolean }

export const scopesOf = ({ role, isOwner }: Standing): readonly Scope[] => (isOwner ? OWNER : SCOPES_OF[role])

/** With those that go without saying, in the order of the list. */
export function allScopes(scopes: ReadonlySet<string>): Scope[] {
  return SCOPES.filter((scope) => holdsScope(scopes, scope))
}
