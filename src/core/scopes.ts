// The scopes of a key, and which imply which. The only place that decides whether a key has a scope, both for calls
// and for granting scopes.

/** `admin` implies all others within its project; `projects` reaches beyond the project, and is implied by none. */
export const SCOPES = [
  'runs:read',
  'runs:write',
  'runs:trigger',
  'runs:redrive',
  'inputs:answer',
  'stats:read',
  'jobs:read',
  'jobs:write',
  'events:read',
  'events:write',
  'agents:read',
  'agents:write',
  'agents:call',
  'webhooks:write',
  'alerts:write',
  'workers',
  'keys',
  'admin',
  'projects',
] as const
export type Scope = (typeof SCOPES)[number]

/** Narrow scopes, each with the wider one that implies it. */
export const IMPLIED_BY: Partial<Record<Scope, Scope>> = {
  'runs:trigger': 'runs:write',
  'runs:redrive': 'runs:write',
  'inputs:answer': 'runs:write',
  'stats:read': 'runs:read',
  'agents:call': 'agents:write',
}
const WIDER: ReadonlyMap<string, Scope> = new Map(Object.entries(IMPLIED_BY))

export function holdsScope(scopes: ReadonlySet<string>, scope: string): boolean {
  if (scopes.has(scope)) return true
  const wider = WIDER.get(scope)
  if (wider !== undefined && scopes.has(wider)) return true
  return scopes.has('admin') && scope !== 'projects'
}
