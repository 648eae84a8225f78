// Strait's scopes and ours. Where ours is the wider one, the key is given it, and its reply says so: what is shown
// are all of Strait's scopes that the key has, not those that were asked for.
import type { Scope } from '#contract/route.ts'

const OURS: Readonly<Record<string, Scope>> = {
  'jobs:read': 'jobs:read',
  'jobs:write': 'jobs:write',
  'jobs:trigger': 'runs:write',
  'runs:read': 'runs:read',
  'runs:write': 'runs:write',
  'stats:read': 'runs:read',
  'dlq:read': 'runs:read',
  'dlq:replay': 'runs:write',
  'dlq:purge': 'runs:write',
  'api-keys:manage': 'keys',
  'projects:read': 'projects',
  'projects:write': 'projects',
  'projects:manage': 'projects',
  'projects:*': 'projects',
  'workers:connect': 'workers',
  '*': 'admin',
}

export const STRAIT_SCOPES = Object.keys(OURS)

export const scopesOf = (asked: readonly string[]): Scope[] => [...new Set(asked.map((scope) => OURS[scope]!))]

/** Scopes of ours that Strait has no word for are shown as they are. */
export const shownScopes = (scopes: readonly string[]): string[] =>
  scopes.flatMap((scope) => {
    const words = STRAIT_SCOPES.filter((word) => OURS[word] === scope)
    return words.length > 0 ? words : [scope]
  })
