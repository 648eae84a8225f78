// The key-value state of a run, for its later attempts.
import { Type } from 'typebox'
import { anyJson, body, listOf, paging, pathText, query, RUN_ID, RunPath, time } from '../common.ts'
import { route } from '../route.ts'
import { FENCED } from './executor.ts'

const tag = 'Running attempt'
const VALUE_BYTES_MAX = 64 * 1024
const KEY = pathText(256, 'Key of the value.')

export const Value = Type.Object(
  {
    run_id: RUN_ID,
    key: KEY,
    value: anyJson('The value.'),
    updated_at: time('When it was last written.'),
  },
  { title: 'StateValue' },
)

export const setState = route({
  method: 'POST',
  path: '/v1/runs/:run_id/state',
  needs: 'run_token',
  tag,
  name: 'setState',
  summary: 'Set a state value, for later attempts of this run.',
  params: RunPath,
  body: body({ key: KEY, value: anyJson('Any JSON, at most 64 KiB.', VALUE_BYTES_MAX) }),
  replies: { 201: Value },
  refusals: FENCED,
})

export const listState = route({
  method: 'GET',
  path: '/v1/runs/:run_id/state',
  needs: 'runs:read',
  orRunToken: true,
  tag,
  name: 'listState',
  summary: 'List the state values of a run, by key.',
  params: RunPath,
  query: query(paging),
  replies: { 200: listOf(Value, 'StateValueList') },
  refusals: ['run_not_found', 'invalid_cursor'],
})

export const getState = route({
  method: 'GET',
  path: '/v1/runs/:run_id/state/:key',
  needs: 'runs:read',
  orRunToken: true,
  tag,
  name: 'getState',
  summary: 'Get a state value of a run.',
  params: Type.Object({ run_id: RUN_ID, key: KEY }),
  replies: { 200: Value },
  refusals: ['run_not_found', 'value_not_found'],
})

export const deleteState = route({
  method: 'DELETE',
  path: '/v1/runs/:run_id/state/:key',
  needs: 'run_token',
  tag,
  name: 'deleteState',
  summary: 'Delete a state value.',
  params: Type.Object({ run_id: RUN_ID, key: KEY }),
  replies: { 204: null },
  refusals: [...FENCED, 'value_not_found'],
})
