import { expect, test } from 'vitest'
import { refuse } from '#core/error.ts'
import { isOutage, itemProblem, problemOf } from './problems.ts'

/** An error as the driver throws it for what the server said. */
const ofServer = (code: string): Error => Object.assign(new Error(code), { name: 'PostgresError', code })
const ofSystem = (code: string, syscall?: string): Error => Object.assign(new Error(code), { code, syscall })

test.each(['57P01', '57014', '53300', '08006', '40001', '40P01', '55P03', '25006'])(
  'the server’s %s is an outage: the same request may succeed in a moment',
  (code) => expect(isOutage(ofServer(code))).toBe(true),
)

test.each(['CONNECTION_CLOSED', 'CONNECTION_ENDED', 'CONNECTION_DESTROYED', 'CONNECT_TIMEOUT'])(
  'the driver’s %s is an outage',
  (code) => expect(isOutage(ofSystem(code))).toBe(true),
)

test.each(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTFOUND'])('the system’s %s is an outage', (code) => {
  expect(isOutage(ofSystem(code, 'connect'))).toBe(true)
})

test.each(['23505', '22P02', '42601', '22021', 'P0001'])('the server’s %s is a bug of ours', (code) => {
  expect(isOutage(ofServer(code))).toBe(false)
})

test('a client that went away is no outage', () => {
  expect(isOutage(ofSystem('ECONNRESET'))).toBe(false)
  expect(isOutage(new Error('57P01'))).toBe(false)
  expect(isOutage(null)).toBe(false)
})

test('a wait is told in whole seconds, and never none', () => {
  const wait = (retryAfterMs: number) => problemOf(refuse('overloaded', { what: 'The queue', retryAfterMs }))
  expect(wait(1).headers).toEqual({ 'retry-after': '1' })
  expect(wait(1001).headers).toEqual({ 'retry-after': '2' })
  expect(problemOf(refuse('rate_limited', { limit: '10 per minute', retryAfterMs: 60_000 }))).toMatchObject({
    status: 429,
    headers: { 'retry-after': '60' },
  })
})

test('a bug tells nothing about itself', () => {
  expect(problemOf(undefined)).toEqual({
    status: 500,
    headers: {},
    error: { code: 'internal', message: expect.not.stringMatching(/stack|Error/) },
  })
})

test('details are in snake_case, and do not repeat the sentence', () => {
  expect(itemProblem(refuse('run_not_found', { runId: 'r' })).details).toEqual({ run_id: 'r' })
  expect(itemProblem(refuse('unauthorized', { reason: 'No.' }))).toEqual({ code: 'unauthorized', message: 'No.' })
})
