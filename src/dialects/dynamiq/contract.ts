// Dynamiq's Runs API: what is asked and answered. What it does not know in a request it ignores.
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
const APP = text(64, 'Id or slug of the app, which is a job. The header X-App-Id says the same.', { minLength: 1 })
const app = { app: optional(APP) }
const paging = {
  page: withDefault(whole(1, 1_000_000_000, 'Number of the page; the first is 1.'), 1),
  page_size: withDefault(whole(1, PAGE_SIZE_MAX, 'Items on a page at most.'), 25),
  sort: optional(text(256, 'Fields separated by commas; a `-` before one is for the reverse order.')),
}

const Pagination = Type.Object(
  {
    page: whole(1, COUNT_MAX, 'As asked.'),
    page_size: whole(1, PAGE_SIZE_MAX, 'As asked.'),
    page_count: whole(0, COUNT_MAX, 'Pages in all.'),
    total_count: whole(0, COUNT_MAX, 'Items on all pages.'),
  },
  { title: 'Pagination' },
)
/** What a client may leave out, or send null for. */
const perhaps = <S extends TSchema>(schema: S) => optional(nullable(schema))
const enveloped = <S extends TSchema>(data: S, title: string) => Type.Object({ data }, { title })
const pageOf = <S extends TSchema>(item: S, title: string) =>
  Type.Object({ data: Type.Array(item, { description: 'The page.' }), pagination: Pagination }, { title })
const said = <const W extends string>(word: W, title: string) =>
  Type.Object({ message: oneOf([word], 'That it was done.') }, { title })

const File = Type.Object(
  {
    id: Type.String({ description: 'Id of the file.' }),
    name: Type.String({ description: 'Its name, as sent.' }),
    size: whole(0, COUNT_MAX, 'Bytes.'),
    mime_type: Type.String({ description: 'Its type, as sent.' }),
  },
  { title: 'File' },
)

export const uploadFile = route({
  method: 'POST',
  path: '/v1/files',
  needs: 'runs:trigger',
  tag,
  name: 'uploadFile',
  summary: 'Upload a file of 128 MiB at most, as the part `file`.',
  consumes: ['multipart/form-data'],
  replies: { 200: enveloped(File, 'FileEnvelope') },
  refusals: ['too_large'],
  keepsReply: false,
})

export const FILES_MAX = 20

export const RunInput = Type.Object(
  {
    input: anyJson('What the run is given: any JSON.'),
    user_id: perhaps(text(256, 'The user on whose behalf it runs.')),
    session_id: perhaps(text(256, 'The session that it belongs to.')),
    file_ids: perhaps(repeated(Type.String(), FILES_MAX, 'Files that were uploaded before.')),
    stream: perhaps(flag('Answer with the events of the run.')),
    background: perhaps(flag('Answer at once.')),
  },
  { title: 'RunInput' },
)

export const createRun = route({
  method: 'POST',
  path: '/v1/runs',
  needs: 'runs:trigger',
  tag,
  name: 'createRun',
  summary: 'Create a run, and wait for its end, for its events, or for nothing.',
  description:
    'Waits until the run is over, or awaits input, for 10 minutes at most, and answers with the run as it is then. With ' +
    '`stream` the answer is text/event-stream, with `background` it is 202. As multipart/form-data the fields have the ' +
    'same names, and each part `files` is a file of the run; the field `input` is JSON, or else plain text.',
  query: query(app),
  body: RunInput,
  consumes: ['multipart/form-data'],
  streamsToo: true,
  replies: { 200: enveloped(Run, 'RunEnvelope'), 202: enveloped(Run, 'RunEnvelope') },
  refusals: ['job_not_found', 'job_paused', 'job_disabled', 'job_external', 'idempotency_mismatch', 'too_large'],
  // A repeated Idempotency-Key is given the same run, which may have gone on meanwhile.
  keepsReply: false,
})

export const listRuns = route({
  method: 'GET',
  path: '/v1/runs',
  needs: 'runs:read',
  tag,
  name: 'listRuns',
  summary: 'List runs, those that started last first.',
  query: query({
    ...app,
    status: optional(repeated(oneOf(STATUSES, 'A status.'), STATUSES.length, 'Runs with any of these statuses.')),
    user_id: optional(text(256, 'Runs of this user; all when it is empty.')),
    session_id: optional(text(256, 'Runs of this session; all when it is empty.')),
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
  summary: 'Read a run.',
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
  summary: 'Cancel a run; one that is over stays as it is.',
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
  summary: 'Answer what a run asks; a paused run is resumed first.',
  params: RunPath,
  body: Type.Object({
    type: oneOf(['human_feedback', 'approval_request', 'approval'], 'What is answered; approval is approval_request.'),
    data: Type.Object({
      request_id: text(64, 'Id of the request.', { minLength: 1 }),
      is_approved: perhaps(flag('For an approval: yes or no.')),
      approved: perhaps(flag('The same as is_approved.')),
      feedback: optional(anyJson('For feedback: the answer; a remark beside an approval.')),
      params: perhaps(
        Type.Unsafe<Record<string, unknown>>({
          type: 'object',
          additionalProperties: true,
          'x-bytes-max': 64 * 1024,
          description: 'Params with other values; only those that may be edited.',
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
  summary: 'List the events of a run, the first one first.',
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
  summary: 'Stream the events of a run, until it is completed, failed or canceled.',
  params: RunPath,
  query: query({
    after_sequence: optional(whole(1, Number.MAX_SAFE_INTEGER, 'Only events behind this one.')),
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
