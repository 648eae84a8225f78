// How a running attempt ends its run: completed, failed, or left for later.
import { Type } from 'typebox'
import { anyJson, body, flag, optional, RunPath, text, withDefault } from '../common.ts'
import { route } from '../route.ts'
import { FENCED } from './executor.ts'
import { Run } from './run.ts'

const tag = 'Running attempt'

export const completeRun = route({
  method: 'POST',
  path: '/v1/runs/:run_id/complete',
  needs: 'run_token',
  tag,
  name: 'completeRun',
  summary: 'Complete the run.',
  params: RunPath,
  body: body({ result: optional(anyJson('Result of the run: any JSON; defaults to null.')) }),
  bodyOptional: true,
  replies: { 200: Run },
  refusals: FENCED,
})

export const failRun = route({
  method: 'POST',
  path: '/v1/runs/:run_id/fail',
  needs: 'run_token',
  tag,
  name: 'failRun',
  summary: 'Fail the attempt; unless it is `retryable`, the run fails permanently.',
  params: RunPath,
  body: body({
    error: Type.Unsafe<string | Record<string, unknown>>({
      type: ['string', 'object'],
      description: 'What went wrong: a message, or an object such as {message, stack}.',
    }),
    error_code: optional(text(128, 'Stable code of what went wrong.', { minLength: 1 })),
    retryable: withDefault(flag('Whether another attempt may succeed; the retry policy then decides.'), false),
  }),
  replies: { 200: Run },
  refusals: FENCED,
})

export const yieldRun = route({
  method: 'POST',
  path: '/v1/runs/:run_id/yield',
  needs: 'run_token',
  tag,
  name: 'yieldRun',
  summary: 'Yield the run: it is paused if a pause was requested, and returns to its queue otherwise.',
  description: 'For handlers that received `told: pause` and saved a checkpoint. It does not use up an attempt.',
  params: RunPath,
  body: body({}),
  bodyOptional: true,
  replies: { 200: Run },
  refusals: FENCED,
})
