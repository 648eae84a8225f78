// Human input and approvals: a running attempt asks, and a person answers.

import { Type } from 'typebox'
import { DAY_SECS } from '#core/durations.ts'
import { AGENT } from './agents.ts'
import {
  anyJson,
  body,
  flag,
  JSON_SCHEMA_BYTES_MAX,
  jsonObject,
  listOf,
  nullable,
  objectAsWritten,
  oneOf,
  optional,
  paging,
  query,
  RUN_ID,
  RUN_KEY,
  RunPath,
  text,
  time,
  timeOrNull,
  uuid,
  whole,
  withDefault,
} from './common.ts'
import { route } from './route.ts'
import { FENCED } from './runs/executor.ts'

const tag = 'Human input'
const KIND = oneOf(['approval', 'feedback'], 'approval: yes or no. feedback: an answer in JSON.')
const STATE = oneOf(['pending', 'answered', 'expired', 'canceled'], 'canceled: the run ended before anybody answered.')
const params = (description: string) =>
  Type.Unsafe<Record<string, unknown>>(objectAsWritten(`${description} At most 64 KiB.`, 64 * 1024))
const PARAMS = params('Parameters of the question, by name.')

/** As the inbox and `why` show it. */
export const ASSIGNEE = text(256, 'Whom it is for, such as an e-mail address.', { minLength: 1 })

const Answer = body(
  {
    approved: optional(flag('For an approval: yes or no.')),
    feedback: optional(anyJson('For feedback: the answer. For an approval: a remark.')),
    params: optional(params('New values of params; only those in editable_params.')),
  },
  { title: 'InputAnswer' },
)

export const InputRequest = Type.Object(
  {
    id: uuid('Id of the request.'),
    run_id: nullable(Type.String(), 'The run that asks; null for a call that an agent makes outside any run.'),
    agent_id: nullable(Type.String(), 'The agent on whose behalf the question is asked.'),
    authorization_id: nullable(Type.String(), 'The authorization of the call that needs approval.'),
    key: nullable(Type.String(), 'The name that the run gave it.'),
    assignee: nullable(Type.String(), 'Whom it is for; anybody who may answer still may.'),
    kind: KIND,
    prompt: Type.String({ description: 'The question.' }),
    params: jsonObject('Parameters of the question.'),
    editable_params: Type.Array(Type.String(), { description: 'Names of params that the answer may change.' }),
    schema: nullable(jsonObject(''), 'JSON Schema that feedback must match.'),
    on_expiry: oneOf(['default', 'fail'], 'What happens when nobody answers in time.'),
    default: nullable(jsonObject(''), 'The answer when nobody answers in time.'),
    status: STATE,
    answer: nullable(jsonObject(''), 'The answer, with the values of all params.'),
    answered_by: nullable(
      Type.Object({
        type: Type.String({ description: 'Kind of actor.' }),
        id: nullable(Type.String(), 'Id of the actor.'),
        name: nullable(Type.String(), 'Name of the user or key.'),
      }),
      'Who answered.',
    ),
    created_at: time('When it was asked.'),
    answered_at: timeOrNull('When it was answered, expired or was canceled.'),
    expires_at: timeOrNull('When it expires.'),
  },
  { title: 'InputRequest' },
)

export const askForInput = route({
  method: 'POST',
  path: '/v1/runs/:run_id/input-requests',
  needs: 'run_token',
  tag: 'Running attempt',
  name: 'askForInput',
  summary: 'Ask a person, and by default suspend the run until somebody answers.',
  description:
    'With `wait` the lease ends and the executor should stop. Once nothing is pending, the run is queued again ' +
    'with the same attempt and its latest checkpoint; each answer is then in the state value `input:<request id>`. ' +
    'A `key` that the run has used before means that question (200): once it is answered the run does not rest again.',
  params: RunPath,
  body: body({
    kind: KIND,
    key: optional(RUN_KEY),
    assignee: optional(ASSIGNEE),
    prompt: text(8192, 'The question.', { minLength: 1 }),
    params: withDefault(PARAMS, {}),
    editable_params: withDefault(
      Type.Array(text(128, 'Name of a param.', { minLength: 1 }), {
        maxItems: 100,
        uniqueItems: true,
        description: 'Params that the answer may change.',
      }),
      [],
    ),
    schema: optional(jsonObject('JSON Schema that feedback must match, at most 64 KiB.', JSON_SCHEMA_BYTES_MAX)),
    expires_in_secs: optional(whole(1, 366 * DAY_SECS, 'Seconds until it expires; omit for never.')),
    on_expiry: withDefault(
      oneOf(['default', 'fail'], 'What happens on expiry: `default` is taken as the answer, or the run fails.'),
      'fail',
    ),
    default: optional(Answer),
    wait: withDefault(flag('Suspend the run until all its questions are answered.'), true),
  }),
  replies: { 201: InputRequest, 200: InputRequest },
  refusals: [...FENCED, 'wrong_state', 'pause_requested'],
})

export const listRunInputs = route({
  method: 'GET',
  path: '/v1/runs/:run_id/input-requests',
  needs: 'runs:read',
  orRunToken: true,
  tag,
  name: 'listRunInputs',
  summary: 'List the input requests of a run, newest first.',
  params: RunPath,
  query: query(paging),
  replies: { 200: listOf(InputRequest, 'RunInputList') },
  refusals: ['run_not_found', 'invalid_cursor'],
})

export const listInputs = route({
  method: 'GET',
  path: '/v1/input-requests',
  needs: 'runs:read',
  tag,
  name: 'listInputs',
  summary: 'List input requests, newest first; with `status=pending`, an inbox.',
  query: query({
    status: optional(STATE),
    kind: optional(KIND),
    agent_id: optional(AGENT),
    run_id: optional(RUN_ID),
    ...paging,
  }),
  replies: { 200: listOf(InputRequest, 'InputRequestList') },
  refusals: ['run_not_found', 'invalid_cursor'],
})

const InputPath = Type.Object({ input_request_id: uuid('Id of the request.') })

export const getInput = route({
  method: 'GET',
  path: '/v1/input-requests/:input_request_id',
  needs: 'runs:read',
  tag,
  name: 'getInput',
  summary: 'Get an input request, and its answer.',
  params: InputPath,
  replies: { 200: InputRequest },
  refusals: ['input_not_found'],
})

export const answerInput = route({
  method: 'POST',
  path: '/v1/input-requests/:input_request_id/answer',
  needs: 'inputs:answer',
  tag,
  name: 'answerInput',
  summary: 'Answer an input request, once.',
  params: InputPath,
  body: Answer,
  replies: { 200: InputRequest },
  refusals: ['input_not_found', 'input_over'],
})
