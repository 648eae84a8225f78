// Around Strait's runs: health, counts, batches, keys and projects. Paths begin behind /strait.
import { Type } from 'typebox'
import { anyJson, DAY_SECS, INT_MAX, nullable, oneOf, optional, text, time, uuid, whole } from '#contract/common.ts'
import { type Route, route } from '#contract/route.ts'
import { STRAIT_SCOPES } from './admin-scopes.ts'
import { RunCounts } from './jobs-schemas.ts'
import { bodyOf, ofProject, paging, query } from './paging.ts'
import { JobRun } from './run-wire.ts'

const Health = Type.Object({ status: oneOf(['ok'], 'It answers.') }, { title: 'Health' })
const UP = oneOf(['up', 'down'], 'Whether it works.')
const Readiness = Type.Object(
  {
    status: UP,
    components: Type.Array(
      Type.Object({
        name: Type.String({ description: 'The database, or a duty of this node.' }),
        status: UP,
        latency_ms: optional(whole(0, Number.MAX_SAFE_INTEGER, 'How long the database took to answer.')),
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
  summary: 'The process answers.',
  replies: { 200: Health },
})
export const getReady = route({
  method: 'GET',
  path: '/health/ready',
  needs: 'nothing',
  tag: 'Operations',
  name: 'getReady',
  summary: 'The database can be reached and all duties have succeeded lately; 503 when not.',
  replies: { 200: Readiness, 503: Readiness },
})
export const getStats = route({
  method: 'GET',
  path: '/v1/stats',
  needs: 'stats:read',
  tag: 'Operations',
  name: 'getStats',
  summary: 'Count the runs of the project by state; from counters, however many there are.',
  query: query(ofProject),
  replies: { 200: RunCounts },
})

const BatchOperation = Type.Object(
  {
    id: uuid('Id of the batch; its runs carry it as batch_id.'),
    project_id: Type.String({ description: 'Project of the batch.' }),
    job_id: uuid('Id of the job.'),
    item_count: whole(0, INT_MAX, 'Items in the request.'),
    created_count: whole(0, INT_MAX, 'Runs that were created.'),
    created_by: optional(Type.String({ description: 'Id of the actor who triggered it.' })),
    created_at: time('When it was triggered.'),
    finished_at: optional(time('When all of its items were dealt with.')),
  },
  { title: 'BatchOperation' },
)

export const listBatchOperations = route({
  method: 'GET',
  path: '/v1/batch-operations',
  needs: 'runs:read',
  tag: 'Runs',
  name: 'listBatchOperations',
  summary: 'List bulk triggers, newest first.',
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
  summary: 'Read a bulk trigger.',
  params: Type.Object({ batch_id: uuid('Id of the batch.') }),
  replies: { 200: BatchOperation },
  refusals: ['batch_not_found'],
})

const EventTrigger = Type.Object(
  {
    id: uuid('Id of the wait, which the run was told as trigger_id.'),
    event_key: Type.String({ description: 'Key of the event.' }),
    project_id: Type.String({ description: 'Project of the run.' }),
    source_type: oneOf(['job_run'], 'Who waited.'),
    job_run_id: Type.String({ description: 'The run that waited.' }),
    status: oneOf(['received'], 'The event was taken, and the run goes on.'),
    response_payload: optional(anyJson('What the run goes on with.')),
    timeout_secs: whole(0, INT_MAX, 'How long it would have waited at most.'),
    requested_at: time('When it began to wait.'),
    received_at: time('When the event came.'),
    expires_at: optional(time('When the wait would have ended.')),
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
  summary: 'Send an event to the run that waits for it; its payload becomes a checkpoint of the run.',
  params: Type.Object({ event_key: text(512, 'Key of the event.', { minLength: 1 }) }),
  body: bodyOf({ payload: optional(anyJson('What the run goes on with.')) }),
  bodyOptional: true,
  replies: { 200: EventTrigger },
  refusals: ['wait_not_found'],
})

const NAME = text(255, 'Name for people.', { minLength: 1 })
const KEY_PATH = Type.Object({ key_id: uuid('Id of the key.') })
const SECRET = Type.String({ description: 'The key itself. Shown once; only its hash is kept.' })
const apiKey = {
  id: uuid('Id of the key.'),
  project_id: Type.String({ description: 'Project of the key, the only one it reaches.' }),
  name: NAME,
  key_prefix: Type.String({ description: 'How the key begins, to recognise it by.' }),
  scopes: Type.Array(Type.String(), { description: 'Everything that the key may do.' }),
  created_at: time('When it was made.'),
  expires_at: optional(time('When it ends by itself.')),
  revoked_at: optional(time('When it was revoked.')),
  last_used_at: optional(time('When it was used last.')),
}
const ApiKey = Type.Object(
  {
    ...apiKey,
    replaced_by_key_id: optional(uuid('The key that it was rotated to.')),
    grace_expires_at: optional(time('When the grace of a rotated key ends.')),
  },
  { title: 'ApiKey' },
)
const RotatedApiKey = Type.Object(
  {
    ...apiKey,
    key: SECRET,
    old_key_id: uuid('The key that it takes the place of.'),
    new_key_id: uuid('The new key; the same as id.'),
    grace_expires_at: time('Until then the old key still works.'),
  },
  { title: 'RotatedApiKey' },
)
const NewApiKey = Type.Object({ ...apiKey, key: SECRET }, { title: 'NewApiKey' })
const GRACE_MINUTES_MAX = (7 * DAY_SECS) / 60

// The names of those that answer with a secret are also how their replies are kept from being kept.
export const createKey = route({
  method: 'POST',
  path: '/v1/api-keys',
  needs: 'keys',
  tag: 'Access',
  name: 'createKey',
  summary: "Make a key of the caller's project; nobody can give a scope that they lack.",
  body: bodyOf({
    ...ofProject,
    name: NAME,
    scopes: Type.Array(oneOf(STRAIT_SCOPES, 'A scope.'), {
      minItems: 1,
      maxItems: STRAIT_SCOPES.length,
      description: 'What it may do.',
    }),
    expires_in_days: optional(nullable(whole(1, 3650, 'Days after which it ends by itself.'))),
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
  summary: 'Revoke a key, at once and for good.',
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
  summary: 'Make a new key like this one, with the same end; the old one ends after a grace.',
  params: KEY_PATH,
  body: bodyOf({
    grace_period_minutes: optional(whole(0, GRACE_MINUTES_MAX, 'Minutes that the old key still works; 60 by itself.')),
  }),
  bodyOptional: true,
  replies: { 201: RotatedApiKey },
  refusals: ['key_not_found', 'key_not_rotatable', 'exceeds_own_rights'],
})

const PROJECT_ID = Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,62}$', description: 'Id of the project.' })
const project = {
  id: PROJECT_ID,
  org_id: Type.String({ description: 'There is one organization here: `default`.' }),
  name: NAME,
  created_at: time('When it was created.'),
  updated_at: time('The same: a project does not change.'),
}
const Project = Type.Object(project, { title: 'Project' })

export const createProject = route({
  method: 'POST',
  path: '/v1/projects',
  needs: 'projects',
  tag: 'Access',
  name: 'createProject',
  summary: 'Create a project, and its first key, which may do everything in it.',
  description: 'There is one organization here, so org_id is taken from clients that send it, and means nothing.',
  body: bodyOf({
    id: PROJECT_ID,
    name: optional(text(255, 'Name for people; the id when left out.', { minLength: 1 })),
    org_id: optional(nullable(text(256, 'Of no effect.'))),
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
  summary: 'List the projects, by their ids.',
  query: query({ ...paging, org_id: optional(text(256, 'Of no effect.')) }),
  replies: { 200: Type.Array(Project) },
  refusals: ['invalid_cursor'],
})
export const getProject = route({
  method: 'GET',
  path: '/v1/projects/:project_id',
  needs: 'projects',
  tag: 'Access',
  name: 'getProject',
  summary: 'Read a project.',
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
