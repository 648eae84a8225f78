// What a key may do, and which of it goes without saying. The one answer to "does it hold this?", for whoever calls
// and for whoever hands a right on.

/** `admin` implies all within its project; `projects` reaches beyond it, and is implied by none. */
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
  'workers',
  'keys',
  'admin',
  'projects',
] as const
export type Scope = (typeof SCOPES)[number]

/** Scopes for one thing alone, each with the wider one that implies it. */
export const IMPLIED_BY: Partial<Record<Scope, Scope>> = {
  'runs:trigger': 'runs:write',
  'runs:redrive': 'runs:write',
  'inputs:answer': 'runs:write',
  'stats:read': 'runs:read',
}
const WIDER: ReadonlyMap<string, Scope> = new Map(Object.entries(IMPLIED_BY))

export function holdsScope(scopes: ReadonlySet<string>, scope: string): boolean {
  if (scopes.has(scope)) return true
  const wider = WIDER.get(scope)
  if (wider !== undefined && scopes.has(wider)) return true
  return scopes.has('admin') && scope !== 'projects'
}
