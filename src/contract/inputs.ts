// What people are asked: a running attempt asks, somebody answers.
import { Type } from 'typebox'
import { AGENT } from './agents.ts'
import {
  anyJson,
  body,
  flag,
  JSON_SCHEMA_BYTES_MAX,
  jsonObject,
  listOf,
  nullable,
  oneOf,
  optional,
  paging,
  query,
  RUN_ID,
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
const STATE = oneOf(
  ['pending', 'answered', 'expired', 'canceled'],
  'canceled: the run was over before anybody answered.',
)
const PARAMS = jsonObject('What the question is about, by name; 64 KiB at most.', 64 * 1024)

const Answer = body(
  {
    approved: optional(flag('For an approval: yes or no.')),
    feedback: optional(anyJson('For feedback: the answer; a remark beside an approval.')),
    params: optional(jsonObject('Params with other values; only those that may be edited.', 64 * 1024)),
  },
  { title: 'InputAnswer' },
)

export const InputRequest = Type.Object(
  {
    id: uuid('Id of the request.'),
    run_id: nullable(Type.String(), 'The run that asks; null for the call of an agent without a run.'),
    agent_id: nullable(Type.String(), 'The agent on whose behalf it is asked.'),
    authorization_id: nullable(Type.String(), 'The call that is to be approved.'),
    kind: KIND,
    prompt: Type.String({ description: 'The question.' }),
    params: jsonObject('What it is about.'),
    editable_params: Type.Array(Type.String(), { description: 'Names of params that the answer may change.' }),
    schema: nullable(jsonObject(''), 'JSON Schema that feedback must meet.'),
    on_expiry: oneOf(['default', 'fail'], 'What happens when nobody answers in time.'),
    default: nullable(jsonObject(''), 'The answer when nobody answers in time.'),
    status: STATE,
    answer: nullable(jsonObject(''), 'What was answered; params with all their values.'),
    answered_by: nullable(
      Type.Object({
        type: Type.String({ description: 'What kind of actor it was.' }),
        id: nullable(Type.String(), 'Its id.'),
      }),
      'Who answered.',
    ),
    created_at: time('When it was asked.'),
    answered_at: timeOrNull('When it was answered, or ended otherwise.'),
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
    'With wait the lease ends, and the executor should stop. When nothing is pending any more the run is queued again, ' +
    'with the same attempt and its latest checkpoint; each answer is then the value `input:<request id>`.',
  params: RunPath,
  body: body({
    kind: KIND,
    prompt: text(8192, 'The question.', { minLength: 1 }),
    params: withDefault(PARAMS, {}),
    editable_params: withDefault(
      Type.Array(text(128, 'A name in params.', { minLength: 1 }), {
        maxItems: 100,
        uniqueItems: true,
        description: 'What the answer may change.',
      }),
      [],
    ),
    schema: optional(jsonObject('JSON Schema that feedback must meet; 64 KiB at most.', JSON_SCHEMA_BYTES_MAX)),
    expires_in_secs: optional(whole(1, 366 * 86_400, 'Seconds after which it expires; never when left out.')),
    on_expiry: withDefault(
      oneOf(['default', 'fail'], 'What happens then: the default is the answer, or the run has failed.'),
      'fail',
    ),
    default: optional(Answer),
    wait: withDefault(flag('Put the run to rest until all that it asks is answered.'), true),
  }),
  replies: { 201: InputRequest },
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
  needs: 'runs:write',
  tag,
  name: 'answerInput',
  summary: 'Answer an input request, once.',
  params: InputPath,
  body: Answer,
  replies: { 200: InputRequest },
  refusals: ['input_not_found', 'input_over'],
})
