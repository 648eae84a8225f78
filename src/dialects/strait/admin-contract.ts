// Around Strait's runs: health, counts, batches, events, keys and projects. Paths are relative to /strait.

import { Type } from 'typebox'
import { anyJson, INT_MAX, nullable, oneOf, optional, text, time, uuid, whole } from '#contract/common.ts'
import { type Route, route } from '#contract/route.ts'
import { DAY_SECS } from '#core/durations.ts'
import { STRAIT_SCOPES } from './admin-scopes.ts'
import { RunCounts } from './jobs-schemas.ts'
import { bodyOf, ofProject, paging, query } from './paging.ts'
import { JobRun } from './run-wire.ts'

const Health = Type.Object({ status: oneOf(['ok'], 'It answers.') }, { title: 'Health' })
const UP = oneOf(['up', 'down'], 'Whether it is up.')
const Readiness = Type.Object(
  {
    status: UP,
    components: Type.Array(
      Type.Object({
        name: Type.String({ description: 'The database, or a background duty of this node.' }),
        status: UP,
        latency_ms: optional(whole(0, Number.MAX_SAFE_INTEGER, 'Response time of the database in milliseconds.')),
        error: optional(Type.String({ description: 'What is wrong.' })),
      }),
    ),
  },
  { title: 'Readiness' },
)

export const getHealth = route({
  method: 'GET',
  path: '/health',
  needs: 'nothing',
  tag: 'Operations',
  name: 'getHealth',
  summary: 'Check that the process is alive.',
  replies: { 200: Health },
})
export const getReady = route({
  method: 'GET',
  path: '/health/ready',
  needs: 'nothing',
  tag: 'Operations',
  name: 'getReady',
  summary: 'Check readiness: 503 unless the database is reachable and all duties succeeded recently.',
  replies: { 200: Readiness, 503: Readiness },
})
export const getStats = route({
  method: 'GET',
  path: '/v1/stats',
  needs: 'stats:read',
  tag: 'Operations',
  name: 'getStats',
  summary: 'Count the runs of the project by state.',
  query: query(ofProject),
  replies: { 200: RunCounts },
})

const BatchOperation = Type.Object(
  {
    id: uuid('Id of the batch; the batch_id of its runs.'),
    project_id: Type.String({ description: 'Project of the batch.' }),
    job_id: uuid('Id of the job.'),
    item_count: whole(0, INT_MAX, 'Items in the request.'),
    created_count: whole(0, INT_MAX, 'Runs that were created.'),
    created_by: optional(Type.String({ description: 'Id of the actor who triggered it.' })),
    created_at: time('When it was triggered.'),
    finished_at: optional(time('When all items had been processed.')),
  },
  { title: 'BatchOperation' },
)

export const listBatchOperations = route({
  method: 'GET',
  path: '/v1/batch-operations',
  needs: 'runs:read',
  tag: 'Runs',
  name: 'listBatchOperations',
  summary: 'List batches of bulk triggers, newest first.',
  query: query({ ...ofProject, ...paging }),
  replies: { 200: Type.Array(BatchOperation) },
  refusals: ['invalid_cursor'],
})
export const getBatchOperation = route({
  method: 'GET',
  path: '/v1/batch-operations/:batch_id',
  needs: 'runs:read',
  tag: 'Runs',
  name: 'getBatchOperation',
  summary: 'Get a batch of a bulk trigger.',
  params: Type.Object({ batch_id: uuid('Id of the batch.') }),
  replies: { 200: BatchOperation },
  refusals: ['batch_not_found'],
})

const EventTrigger = Type.Object(
  {
    id: uuid('Id of the wait, which the run received as trigger_id.'),
    event_key: Type.String({ description: 'Key of the event.' }),
    project_id: Type.String({ description: 'Project of the run.' }),
    source_type: oneOf(['job_run'], 'Kind of waiter.'),
    job_run_id: Type.String({ description: 'The run that waited.' }),
    status: oneOf(['received'], 'The event was received, and the run continues.'),
    response_payload: optional(anyJson('Payload of the event: any JSON.')),
    timeout_secs: whole(0, INT_MAX, 'Timeout of the wait, in seconds.'),
    requested_at: time('When the wait started.'),
    received_at: time('When the event arrived.'),
    expires_at: optional(time('When the wait would have timed out.')),
    trigger_type: oneOf(['event'], 'What it waited for.'),
    sent_by: optional(Type.String({ description: 'Id of the actor who sent the event.' })),
    run: JobRun,
  },
  { title: 'EventTrigger' },
)

export const sendEvent = route({
  method: 'POST',
  path: '/v1/events/:event_key/send',
  needs: 'runs:write',
  tag: 'Runs',
  name: 'sendEvent',
  summary: 'Send an event to the run that is waiting for it; its payload becomes a checkpoint of the run.',
  params: Type.Object({ event_key: text(512, 'Key of the event.', { minLength: 1 }) }),
  body: bodyOf({ payload: optional(anyJson('Payload of the event: any JSON.')) }),
  bodyOptional: true,
  replies: { 200: EventTrigger },
  refusals: ['wait_not_found'],
})

const NAME = text(255, 'Display name.', { minLength: 1 })
const KEY_PATH = Type.Object({ key_id: uuid('Id of the key.') })
const SECRET = Type.String({ description: 'The key itself. Shown only once; Runyard stores only its hash.' })
const apiKey = {
  id: uuid('Id of the key.'),
  project_id: Type.String({ description: 'Project of the key, and the only one it can access.' }),
  name: NAME,
  key_prefix: Type.String({ description: 'First characters of the key, for recognising it.' }),
  scopes: Type.Array(Type.String(), { description: 'All scopes of the key.' }),
  created_at: time('When it was created.'),
  expires_at: optional(time('When it expires.')),
  revoked_at: optional(time('When it was revoked.')),
  last_used_at: optional(time('When it was last used.')),
}
const ApiKey = Type.Object(
  {
    ...apiKey,
    replaced_by_key_id: optional(uuid('The key that replaces it after a rotation.')),
    grace_expires_at: optional(time('When the grace period of a rotated key ends.')),
  },
  { title: 'ApiKey' },
)
const RotatedApiKey = Type.Object(
  {
    ...apiKey,
    key: SECRET,
    old_key_id: uuid('Id of the key that it replaces.'),
    new_key_id: uuid('Id of the new key; same as id.'),
    grace_expires_at: time('The old key works until then.'),
  },
  { title: 'RotatedApiKey' },
)
const NewApiKey = Type.Object({ ...apiKey, key: SECRET }, { title: 'NewApiKey' })
const GRACE_MINUTES_MAX = (7 * DAY_SECS) / 60

// Replies of routes with a secret are not stored for idempotency; they are recognised by these names.
export const createKey = route({
  method: 'POST',
  path: '/v1/api-keys',
  needs: 'keys',
  tag: 'Access',
  name: 'createKey',
  // The reply holds a secret, which is shown once and kept nowhere.
  keepsReply: false,
  summary: "Create a key in the caller's project; a key cannot grant scopes that it lacks.",
  body: bodyOf({
    ...ofProject,
    name: NAME,
    scopes: Type.Array(oneOf(STRAIT_SCOPES, 'A scope.'), {
      minItems: 1,
      maxItems: STRAIT_SCOPES.length,
      description: 'What the key may do.',
    }),
    expires_in_days: optional(nullable(whole(1, 3650, 'Days until it expires; omit for a key that does not expire.'))),
    environment_id: optional(nullable(text(64, 'Not supported: must be empty.'))),
  }),
  replies: { 201: NewApiKey },
  refusals: ['exceeds_own_rights'],
})
export const listKeys = route({
  method: 'GET',
  path: '/v1/api-keys',
  needs: 'keys',
  tag: 'Access',
  name: 'listKeys',
  summary: "List the keys of the caller's project, newest first.",
  query: query({ ...ofProject, ...paging }),
  replies: { 200: Type.Array(ApiKey) },
  refusals: ['invalid_cursor'],
})
export const revokeKey = route({
  method: 'DELETE',
  path: '/v1/api-keys/:key_id',
  needs: 'keys',
  tag: 'Access',
  name: 'revokeKey',
  summary: 'Revoke a key, immediately and permanently.',
  params: KEY_PATH,
  replies: { 204: null },
  refusals: ['key_not_found'],
})
export const rotateKey = route({
  method: 'POST',
  path: '/v1/api-keys/:key_id/rotate',
  needs: 'keys',
  tag: 'Access',
  name: 'rotateKey',
  // The reply holds a secret, which is shown once and kept nowhere.
  keepsReply: false,
  summary: 'Rotate a key: create a key like it, with the same expiry, and end the old one after a grace period.',
  params: KEY_PATH,
  body: bodyOf({
    grace_period_minutes: optional(
      whole(0, GRACE_MINUTES_MAX, 'Grace period: minutes that the old key keeps working; defaults to 60.'),
    ),
  }),
  bodyOptional: true,
  replies: { 201: RotatedApiKey },
  refusals: ['key_not_found', 'key_not_rotatable', 'exceeds_own_rights'],
})

const PROJECT_ID = Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,62}$', description: 'Id of the project.' })
const project = {
  id: PROJECT_ID,
  org_id: Type.String({ description: 'Always `default`: Runyard has a single organization.' }),
  name: NAME,
  created_at: time('When it was created.'),
  updated_at: time('Equal to created_at.'),
}
const Project = Type.Object(project, { title: 'Project' })

export const createProject = route({
  method: 'POST',
  path: '/v1/projects',
  needs: 'projects',
  tag: 'Access',
  name: 'createProject',
  // The reply holds a secret, which is shown once and kept nowhere.
  keepsReply: false,
  summary: 'Create a project and its first key, which has all its scopes.',
  description: 'Runyard has a single organization, so org_id is accepted and has no effect.',
  body: bodyOf({
    id: PROJECT_ID,
    name: optional(text(255, 'Display name; defaults to the id.', { minLength: 1 })),
    org_id: optional(nullable(text(256, 'Has no effect.'))),
  }),
  replies: { 201: Type.Object({ ...project, key: SECRET }, { title: 'NewProject' }) },
  refusals: ['project_exists', 'exceeds_own_rights'],
})
export const listProjects = route({
  method: 'GET',
  path: '/v1/projects',
  needs: 'projects',
  tag: 'Access',
  name: 'listProjects',
  summary: 'List the projects, by id.',
  query: query({ ...paging, org_id: optional(text(256, 'Has no effect.')) }),
  replies: { 200: Type.Array(Project) },
  refusals: ['invalid_cursor'],
})
export const getProject = route({
  method: 'GET',
  path: '/v1/projects/:project_id',
  needs: 'projects',
  tag: 'Access',
  name: 'getProject',
  summary: 'Get a project.',
  params: Type.Object({ project_id: PROJECT_ID }),
  replies: { 200: Project },
  refusals: ['project_not_found'],
})

export const ADMIN_ROUTES = [
  getHealth,
  getReady,
  getStats,
  listBatchOperations,
  getBatchOperation,
  sendEvent,
  createKey,
  listKeys,
  revokeKey,
  rotateKey,
  createProject,
  listProjects,
  getProject,
] as const satisfies readonly Route[]
