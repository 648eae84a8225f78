import { expect, test } from 'vitest'
import { refuse } from '#core/error.ts'
import { isOutage, itemProblem, problemOf } from './problems.ts'

/** An error as the driver throws it for what the server said. */
const ofServer = (code: string): Error => Object.assign(new Error(code), { name: 'PostgresError', code })
const ofSystem = (code: string, syscall?: string): Error => Object.assign(new Error(code), { code, syscall })

test.each(['57P01', '57014', '53300', '08006', '40001', '40P01', '55P03', '25006'])(
  "PostgreSQL's error %s is an outage: the same request may succeed shortly after",
  (code) => expect(isOutage(ofServer(code))).toBe(true),
)

test.each(['CONNECTION_CLOSED', 'CONNECTION_ENDED', 'CONNECTION_DESTROYED', 'CONNECT_TIMEOUT'])(
  "the driver's error %s is an outage",
  (code) => expect(isOutage(ofSystem(code))).toBe(true),
)

test.each(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTFOUND'])('the system error %s is an outage', (code) => {
  expect(isOutage(ofSystem(code, 'connect'))).toBe(true)
})

test.each(['23505', '22P02', '42601', '22021', 'P0001'])("PostgreSQL's error %s is a bug of ours", (code) => {
  expect(isOutage(ofServer(code))).toBe(false)
})

test('a client that disconnected is not an outage', () => {
  expect(isOutage(ofSystem('ECONNRESET'))).toBe(false)
  expect(isOutage(new Error('57P01'))).toBe(false)
  expect(isOutage(null)).toBe(false)
})

test('Retry-After is in whole seconds, and never zero', () => {
  const wait = (retryAfterMs: number) => problemOf(refuse('overloaded', { what: 'The queue', retryAfterMs }))
  expect(wait(1).headers).toEqual({ 'retry-after': '1' })
  expect(wait(1001).headers).toEqual({ 'retry-after': '2' })
  expect(problemOf(refuse('rate_limited', { limit: '10 per minute', retryAfterMs: 60_000 }))).toMatchObject({
    status: 429,
    headers: { 'retry-after': '60' },
  })
})

test('an internal error reveals nothing about itself', () => {
  expect(problemOf(undefined)).toEqual({
    status: 500,
    headers: {},
    error: { code: 'internal', message: expect.not.stringMatching(/stack|Error/) },
  })
})

test('details of an error are in snake_case, and do not repeat the message', () => {
  expect(itemProblem(refuse('run_not_found', { runId: 'r' })).details).toEqual({ run_id: 'r' })
  expect(itemProblem(refuse('unauthorized', { reason: 'No.' }))).toEqual({ code: 'unauthorized', message: 'No.' })
})
