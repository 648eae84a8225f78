// Who may do what: projects, API keys, and what a key says about itself.

import { Type } from 'typebox'
import { DAY_SECS } from '#core/durations.ts'
import { SCOPES } from '#core/scopes.ts'
import { PLAN_NAMES } from '#core/usage/plan.ts'
import {
  body,
  listOf,
  nullable,
  oneOf,
  optional,
  paging,
  query,
  seconds,
  text,
  time,
  timeOrNull,
  uuid,
  whole,
  withDefault,
} from './common.ts'
import { route } from './route.ts'

const tag = 'Access'
const RATE_PER_MINUTE_MAX = 1_000_000

const PROJECT_ID = Type.String({
  pattern: '^[a-z0-9][a-z0-9_-]{0,62}$',
  description: 'Id of the project: a short, readable name.',
  examples: ['default'],
})
const PROJECT_NAME = text(255, 'Display name.', { minLength: 1 })
const PLAN = oneOf(
  PLAN_NAMES,
  'Plan of the project under /onceonly, which limits what it may use; agency has no limits.',
)
const PROJECT_PATH = Type.Object({ project_id: PROJECT_ID })
const KEY_PATH = Type.Object({ key_id: uuid('Id of the key.') })

const BUDGET = nullable(
  whole(0, Number.MAX_SAFE_INTEGER, ''),
  'Daily budget (UTC) of all agents of the project together, for tools and models, in millionths of a US dollar; ' +
    'null: no limit.',
)

export const Project = Type.Object(
  {
    id: PROJECT_ID,
    name: PROJECT_NAME,
    plan: PLAN,
    max_spend_microusd_per_day: BUDGET,
    created_at: time('When the project was created.'),
  },
  { title: 'Project' },
)

export const SCOPE = oneOf(SCOPES, 'What the key may do; admin implies all other scopes except projects.')

const key = {
  id: uuid('Id of the key.'),
  project_id: Type.String({ description: 'The project that the key belongs to, and the only one it can access.' }),
  name: text(255, 'What the key is for.', { minLength: 1 }),
  prefix: Type.String({ description: 'First characters of the key, for recognising it.' }),
  scopes: Type.Array(SCOPE, { description: 'What the key may do.' }),
  rate_limit_per_minute: nullable(
    whole(1, RATE_PER_MINUTE_MAX, 'Maximum requests per minute.'),
    "Maximum requests per minute; null: the installation's default.",
  ),
  created_at: time('When the key was created.'),
  created_by: nullable(Type.String(), 'Id of the actor who created it.'),
  expires_at: timeOrNull('When it expires; null: never.'),
  revoked_at: timeOrNull('When it was revoked.'),
  last_used_at: timeOrNull('When it was last used, accurate to about a minute.'),
}
export const Key = Type.Object(key, { title: 'Key' })

const secret = Type.String({ description: 'The key itself. Shown only once; Runyard stores only its hash.' })
export const NewKey = Type.Object({ ...key, key: secret }, { title: 'NewKey' })

export const createProject = route({
  method: 'POST',
  path: '/v1/projects',
  needs: 'projects',
  tag,
  name: 'createProject',
  // The reply holds a secret, which is shown once and kept nowhere.
  keepsReply: false,
  summary: "Create a project and its first key, which has the scope admin; the caller's key needs that scope too.",
  body: body({
    id: PROJECT_ID,
    name: optional(text(255, 'Display name; defaults to the id.', { minLength: 1 })),
    max_spend_microusd_per_day: optional(BUDGET),
  }),
  replies: {
    201: Type.Object({ ...Project.properties, key: secret }, { title: 'NewProject' }),
  },
  refusals: ['project_exists', 'exceeds_own_rights'],
})

export const listProjects = route({
  method: 'GET',
  path: '/v1/projects',
  needs: 'projects',
  tag,
  name: 'listProjects',
  summary: 'List the projects.',
  query: query(paging),
  replies: { 200: listOf(Project, 'ProjectList') },
  refusals: ['invalid_cursor'],
})

export const getProject = route({
  method: 'GET',
  path: '/v1/projects/:project_id',
  needs: 'projects',
  tag,
  name: 'getProject',
  summary: 'Get a project.',
  params: PROJECT_PATH,
  replies: { 200: Project },
  refusals: ['project_not_found'],
})

export const changeProject = route({
  method: 'PATCH',
  path: '/v1/projects/:project_id',
  needs: 'projects',
  tag,
  name: 'changeProject',
  summary: 'Update the name or the budget of a project; omitted fields stay as they are.',
  params: PROJECT_PATH,
  body: body({ name: optional(PROJECT_NAME), max_spend_microusd_per_day: optional(BUDGET) }),
  replies: { 200: Project },
  refusals: ['project_not_found'],
})

export const setPlan = route({
  method: 'PUT',
  path: '/v1/projects/:project_id/plan',
  needs: 'projects',
  tag,
  name: 'setPlan',
  summary: "Change a project's plan; takes effect within a few seconds.",
  params: PROJECT_PATH,
  body: body({ plan: PLAN }),
  replies: { 200: Project },
  refusals: ['project_not_found'],
})

export const createKey = route({
  method: 'POST',
  path: '/v1/keys',
  needs: 'keys',
  tag,
  name: 'createKey',
  // The reply holds a secret, which is shown once and kept nowhere.
  keepsReply: false,
  summary: "Create a key in the caller's project; a key cannot grant scopes that it lacks.",
  description:
    'The new key inherits the expiry and the rate limit of the key that creates it, unless the request sets others, and ' +
    'cannot exceed them.',
  body: body({
    name: key.name,
    scopes: Type.Array(SCOPE, {
      minItems: 1,
      maxItems: SCOPES.length,
      uniqueItems: true,
      description: 'What the key may do.',
    }),
    expires_in_days: optional(whole(1, 3650, 'Days until it expires; omit for a key that does not expire.')),
    rate_limit_per_minute: optional(whole(1, RATE_PER_MINUTE_MAX, 'Maximum requests per minute.')),
  }),
  replies: { 201: NewKey },
  refusals: ['exceeds_own_rights'],
})

export const listKeys = route({
  method: 'GET',
  path: '/v1/keys',
  needs: 'keys',
  tag,
  name: 'listKeys',
  summary: "List the keys of the caller's project, newest first.",
  query: query(paging),
  replies: { 200: listOf(Key, 'KeyList') },
  refusals: ['invalid_cursor'],
})

export const revokeKey = route({
  method: 'DELETE',
  path: '/v1/keys/:key_id',
  needs: 'keys',
  tag,
  name: 'revokeKey',
  summary: 'Revoke a key, immediately and permanently.',
  params: KEY_PATH,
  replies: { 204: null },
  refusals: ['key_not_found'],
})

export const rotateKey = route({
  method: 'POST',
  path: '/v1/keys/:key_id/rotate',
  needs: 'keys',
  tag,
  name: 'rotateKey',
  // The reply holds a secret, which is shown once and kept nowhere.
  keepsReply: false,
  summary: 'Rotate a key: create a key like it, with the same expiry, and end the old one after a grace period.',
  description:
    'The caller must have every scope of the key. A key that has expired or was already rotated cannot be rotated.',
  params: KEY_PATH,
  body: body({
    grace_secs: withDefault(seconds(0, 7 * DAY_SECS, 'Grace period: seconds that the old key keeps working.'), 3600),
  }),
  bodyOptional: true,
  replies: { 201: NewKey },
  refusals: ['key_not_found', 'key_not_rotatable', 'exceeds_own_rights'],
})

export const getMe = route({
  method: 'GET',
  path: '/v1/me',
  needs: 'any_key',
  tag,
  name: 'getMe',
  summary: "Get the caller's project, key and scopes.",
  replies: {
    200: Type.Object(
      {
        project_id: Type.String({ description: 'The project that the key belongs to.' }),
        key_id: Type.String({ description: 'Id of the key.' }),
        scopes: Type.Array(SCOPE, { description: 'What the key may do.' }),
      },
      { title: 'Me' },
    ),
  },
})
