import { describe, expect, test } from 'vitest'
import { getMe } from '#contract/access.ts'
import { ROUTES } from '#contract/routes.ts'
import { getRun } from '#contract/runs/runs.ts'
import { setState } from '#contract/runs/values.ts'
import { refuse } from '#core/error.ts'
import { admit } from './access.ts'
import { implement } from './implement.ts'
import { aKey, aRunToken, testServer } from './server.fixture.ts'

const codeOf = (act: () => void): string => {
  try {
    act()
    return 'admitted'
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('an API key', () => {
  test('an API key is accepted only with the scope of the route', () => {
    expect(codeOf(() => admit(aKey('runs:read'), getRun, { run_id: 'r' }))).toBe('admitted')
    expect(codeOf(() => admit(aKey('runs:write', 'jobs:read'), getRun, { run_id: 'r' }))).toBe('forbidden')
    expect(codeOf(() => admit(aKey(), getRun, { run_id: 'r' }))).toBe('forbidden')
  })

  test('an API key with admin has all scopes of its project, and is still not a running attempt', () => {
    const codes = ROUTES.map((route) => [route.needs, codeOf(() => admit(aKey('admin'), route, {}))] as const)
    const beyond = ['run_token', 'projects', 'session']
    expect(codes.filter(([needs, code]) => (code === 'admitted') === beyond.includes(needs))).toEqual([])
  })

  test('any API key may ask about itself', () => {
    expect(codeOf(() => admit(aKey(), getMe, {}))).toBe('admitted')
  })
})

describe('a run token', () => {
  test('a run token gives access to its own run, for writes and reads', () => {
    expect(codeOf(() => admit(aRunToken('r'), setState, { run_id: 'r' }))).toBe('admitted')
    expect(codeOf(() => admit(aRunToken('r'), getRun, { run_id: 'r' }))).toBe('admitted')
  })

  test('a run token finds no other run', () => {
    const reached = ROUTES.filter(
      (route) => codeOf(() => admit(aRunToken('r'), route, { run_id: 'other' })) === 'admitted',
    )
    // A file is the project's, and names no run. Whether the run is a child, only its row says: getRun looks there.
    expect(reached.map((route) => route.name).sort()).toEqual(['getFile', 'getRun'])
    expect(codeOf(() => admit(aRunToken('r'), setState, { run_id: 'other' }))).toBe('run_not_found')
  })

  test('a run token is not an API key', () => {
    const keyed = ROUTES.filter(
      (route) => route.needs !== 'run_token' && !route.orRunToken && route.needs !== 'nothing',
    )
    const codes = keyed.map((route) => codeOf(() => admit(aRunToken('r'), route, { run_id: 'r' })))
    expect(new Set(codes)).toEqual(new Set(['wrong_credential']))
  })
})

test('without a credential every route but the open ones returns 401, before its body is read', async () => {
  const app = testServer((app) => {
    for (const route of ROUTES) implement(app, route, () => ({}) as never)
  })
  const closed = ROUTES.filter((route) => route.needs !== 'nothing')
  for (const route of closed) {
    const url = route.path.replaceAll(/:\w+/g, '1')
    const headers = { authorization: 'none', 'content-type': 'application/json' }
    const reply = await app.inject({
      method: route.method,
      url,
      headers,
      ...(route.method !== 'GET' && { payload: '{{{' }),
    })
    expect([route.name, reply.statusCode]).toEqual([route.name, 401])
    expect(reply.headers['www-authenticate']).toBe('Bearer realm="runyard"')
  }
})

test('a caller is told where it stands with its rate limit', async () => {
  const rateLimit = async () => ({ limit: 60, remaining: 59, resetMs: 1500 })
  const app = testServer((app) => implement(app, getMe, (_, caller) => ({ ...answerOf(caller) })), { rateLimit })
  const { headers } = await app.inject('/v1/me')
  expect(headers).toMatchObject({ 'x-ratelimit-limit': '60', 'x-ratelimit-remaining': '59', 'x-ratelimit-reset': '2' })
})

test('a caller over its rate limit gets 429 with Retry-After', async () => {
  const rateLimit = async () => {
    throw refuse('rate_limited', { limit: '60 per minute', retryAfterMs: 2500 })
  }
  const app = testServer((app) => implement(app, getMe, (_, caller) => ({ ...answerOf(caller) })), { rateLimit })
  const reply = await app.inject('/v1/me')
  expect(reply.statusCode).toBe(429)
  expect(reply.headers['retry-after']).toBe('3')
})

const answerOf = (caller: { projectId: string; keyId: string }) => ({
  project_id: caller.projectId,
  key_id: caller.keyId,
  scopes: [],
})
