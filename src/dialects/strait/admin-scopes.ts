// Strait's scopes and ours. If ours is wider, the key gets it, and the reply says so: it shows
// all of Strait's scopes that the key has, not only those that were requested.
import { own } from '#core/own.ts'
import { IMPLIED_BY, type Scope } from '#core/scopes.ts'

const OURS: Readonly<Record<string, Scope>> = {
  'jobs:read': 'jobs:read',
  'jobs:write': 'jobs:write',
  'jobs:trigger': 'runs:trigger',
  'runs:read': 'runs:read',
  'runs:write': 'runs:write',
  'stats:read': 'stats:read',
  'dlq:read': 'runs:read',
  'dlq:replay': 'runs:redrive',
  'dlq:purge': 'runs:redrive',
  'api-keys:manage': 'keys',
  'projects:read': 'projects',
  'projects:write': 'projects',
  'projects:manage': 'projects',
  'projects:*': 'projects',
  'workers:connect': 'workers',
  '*': 'admin',
}

export const STRAIT_SCOPES = Object.keys(OURS)

export const scopesOf = (asked: readonly string[]): Scope[] => [...new Set(asked.map((scope) => own(OURS, scope)!))]

const NEEDED: Readonly<Record<string, string>> = { 'runs:trigger': 'jobs:trigger', 'runs:redrive': 'runs:write' }

/** Our scope, as shown to a caller that lacks it. */
export const neededScope = (scope: string): string => own(NEEDED, scope) ?? scope

/** Our scopes without an equivalent in Strait are shown as they are. */
export const shownScopes = (scopes: readonly string[]): string[] =>
  scopes.flatMap((scope) => {
    const words = STRAIT_SCOPES.filter((word) => own(OURS, word) === scope || IMPLIED_BY[own(OURS, word)!] === scope)
    return words.length > 0 ? words : [scope]
  })
