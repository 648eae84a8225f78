// Dynamiq's Runs API: requests and responses. Unknown fields of requests are ignored.
import { type TProperties, type TSchema, Type } from 'typebox'
import {
  anyJson,
  flag,
  nullable,
  oneOf,
  optional,
  RunPath,
  repeated,
  text,
  whole,
  withDefault,
} from '#contract/common.ts'
import { type Route, route } from '#contract/route.ts'
import { Event } from './event-wire.ts'
import { Run, STATUSES } from './run-wire.ts'

const tag = 'Runs API'
const COUNT_MAX = Number.MAX_SAFE_INTEGER
const query = <P extends TProperties>(properties: P) => Type.Object(properties)

export const PAGE_SIZE_MAX = 100
const APP = text(64, 'Id or slug of the app, which is a job; alternative to the X-App-Id header.', { minLength: 1 })
const app = { app: optional(APP) }
const paging = {
  page: withDefault(whole(1, 1_000_000_000, 'Number of the page; the first is 1.'), 1),
  page_size: withDefault(whole(1, PAGE_SIZE_MAX, 'Maximum number of items per page.'), 25),
  sort: optional(text(256, 'Comma-separated fields; a leading `-` reverses the order.')),
}

const Pagination = Type.Object(
  {
    page: whole(1, COUNT_MAX, 'Number of this page.'),
    page_size: whole(1, PAGE_SIZE_MAX, 'Maximum number of items per page.'),
    page_count: whole(0, COUNT_MAX, 'Number of pages.'),
    total_count: whole(0, COUNT_MAX, 'Number of items on all pages.'),
  },
  { title: 'Pagination' },
)
/** A field that a client may omit or send as null. */
const perhaps = <S extends TSchema>(schema: S) => optional(nullable(schema))
const enveloped = <S extends TSchema>(data: S, title: string) => Type.Object({ data }, { title })
const pageOf = <S extends TSchema>(item: S, title: string) =>
  Type.Object({ data: Type.Array(item, { description: 'The items.' }), pagination: Pagination }, { title })
const said = <const W extends string>(word: W, title: string) =>
  Type.Object({ message: oneOf([word], 'Confirms that it was done.') }, { title })

const File = Type.Object(
  {
    id: Type.String({ description: 'Id of the file.' }),
    name: Type.String({ description: 'Name of the file, as sent.' }),
    size: whole(0, COUNT_MAX, 'Size in bytes.'),
    mime_type: Type.String({ description: 'MIME type of the file, as sent.' }),
  },
  { title: 'File' },
)

export const uploadFile = route({
  method: 'POST',
  path: '/v1/files',
  needs: 'runs:trigger',
  tag,
  name: 'uploadFile',
  summary: 'Upload a file of at most 128 MiB, as the part `file`.',
  consumes: ['multipart/form-data'],
  replies: { 200: enveloped(File, 'FileEnvelope') },
  refusals: ['too_large'],
  keepsReply: false,
})

export const FILES_MAX = 20

export const RunInput = Type.Object(
  {
    input: anyJson('Input of the run: any JSON.'),
    user_id: perhaps(text(256, 'The user on whose behalf it runs.')),
    session_id: perhaps(text(256, 'The session that the run belongs to.')),
    file_ids: perhaps(repeated(Type.String(), FILES_MAX, 'Ids of uploaded files.')),
    stream: perhaps(flag('Respond with a stream of the events of the run.')),
    background: perhaps(flag('Respond immediately, without waiting for the run.')),
  },
  { title: 'RunInput' },
)

export const createRun = route({
  method: 'POST',
  path: '/v1/runs',
  needs: 'runs:trigger',
  tag,
  name: 'createRun',
  summary: 'Create a run, and wait for its end, stream its events, or return immediately.',
  description:
    'Waits at most 10 minutes until the run ends or awaits input, and responds with the run as it is then. With ' +
    '`stream` the response is text/event-stream, with `background` it is 202. In multipart/form-data the fields have the ' +
    'same names, and each part `files` is a file of the run; the field `input` is JSON or else plain text.',
  query: query(app),
  body: RunInput,
  consumes: ['multipart/form-data'],
  streamsToo: true,
  replies: { 200: enveloped(Run, 'RunEnvelope'), 202: enveloped(Run, 'RunEnvelope') },
  refusals: ['job_not_found', 'job_paused', 'job_disabled', 'job_external', 'idempotency_mismatch', 'too_large'],
  // A repeated Idempotency-Key returns the same run, which may have progressed in the meantime.
  keepsReply: false,
})

export const listRuns = route({
  method: 'GET',
  path: '/v1/runs',
  needs: 'runs:read',
  tag,
  name: 'listRuns',
  summary: 'List runs, most recently started first.',
  query: query({
    ...app,
    status: optional(repeated(oneOf(STATUSES, 'A status.'), STATUSES.length, 'Runs with any of these statuses.')),
    user_id: optional(text(256, 'Runs of this user.', { minLength: 1 })),
    session_id: optional(text(256, 'Runs of this session.', { minLength: 1 })),
    ...paging,
  }),
  replies: { 200: pageOf(Run, 'RunPage') },
  refusals: ['job_not_found'],
})

export const getRun = route({
  method: 'GET',
  path: '/v1/runs/:run_id',
  needs: 'runs:read',
  tag,
  name: 'getRun',
  summary: 'Get a run.',
  params: RunPath,
  replies: { 200: enveloped(Run, 'RunEnvelope') },
  refusals: ['run_not_found'],
})

export const cancelRun = route({
  method: 'POST',
  path: '/v1/runs/:run_id/cancel',
  needs: 'runs:write',
  tag,
  name: 'cancelRun',
  summary: 'Cancel a run; a run that has ended is unchanged.',
  params: RunPath,
  replies: { 200: said('canceled', 'CancelAnswer') },
  refusals: ['run_not_found'],
})

export const sendInput = route({
  method: 'POST',
  path: '/v1/runs/:run_id/input',
  needs: 'runs:write',
  tag,
  name: 'sendInput',
  summary: 'Answer an input request of a run; a paused run is resumed first.',
  params: RunPath,
  body: Type.Object({
    type: oneOf(
      ['human_feedback', 'approval_request', 'approval'],
      'Kind of request; approval is an alias of approval_request.',
    ),
    data: Type.Object({
      request_id: text(64, 'Id of the request.', { minLength: 1 }),
      is_approved: perhaps(flag('For an approval: yes or no.')),
      approved: perhaps(flag('Alias of is_approved.')),
      feedback: optional(anyJson('For feedback: the answer. For an approval: a remark.')),
      params: perhaps(
        Type.Unsafe<Record<string, unknown>>({
          type: 'object',
          additionalProperties: true,
          'x-bytes-max': 64 * 1024,
          description: 'New values of params; only those in editable_params.',
        }),
      ),
    }),
  }),
  replies: { 200: said('ok', 'InputAnswer') },
  refusals: ['run_not_found'],
})

export const listEvents = route({
  method: 'GET',
  path: '/v1/runs/:run_id/events',
  needs: 'runs:read',
  tag,
  name: 'listEvents',
  summary: 'List the events of a run, oldest first.',
  params: RunPath,
  query: query(paging),
  replies: { 200: pageOf(Event, 'EventPage') },
  refusals: ['run_not_found'],
})

export const streamEvents = route({
  method: 'GET',
  path: '/v1/runs/:run_id/stream',
  needs: 'runs:read',
  tag,
  name: 'streamEvents',
  summary: 'Stream the events of a run until it is completed, failed or canceled.',
  params: RunPath,
  query: query({
    after_sequence: optional(whole(1, Number.MAX_SAFE_INTEGER, 'Events after this sequence.')),
  }),
  replies: { 200: null },
  refusals: ['run_not_found'],
  stream: true,
})

export const DYNAMIQ_ROUTES: readonly Route[] = [
  uploadFile,
  createRun,
  listRuns,
  getRun,
  cancelRun,
  sendInput,
  listEvents,
  streamEvents,
]
