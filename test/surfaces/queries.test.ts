// What every mount does with a query that it does not know, and with a slash at the end of a path.
import { describe, expect, test } from 'vitest'
import type { Route } from '#contract/route.ts'
import { ROUTES } from '#contract/routes.ts'
import { DYNAMIQ_ROUTES } from '#dialects/dynamiq/contract.ts'
import { ONCEONLY_AI_ROUTES } from '#dialects/onceonly/ai-contract.ts'
import { FEED_ROUTES } from '#dialects/onceonly/feed.ts'
import { ONCEONLY_GOVERNANCE_ROUTES } from '#dialects/onceonly/governance.ts'
import { RUN_ROUTES as ONCE_RUNS } from '#dialects/onceonly/runs-contract.ts'
import { USAGE_ROUTES } from '#dialects/onceonly/usage.ts'
import { STRAIT_ADMIN_ROUTES } from '#dialects/strait/admin.ts'
import { STRAIT_JOB_ROUTES } from '#dialects/strait/jobs.ts'
import { RUN_ROUTES } from '#dialects/strait/runs-control-contract.ts'
import { VAI_ROUTES } from '#dialects/vai/contract.ts'
import { httpYard } from '../support/http-yard.ts'

const MOUNTS: [prefix: string, routes: readonly Route[], statuses: number[]][] = [
  ['', ROUTES, [422]],
  ['/strait', [...RUN_ROUTES, ...STRAIT_JOB_ROUTES, ...STRAIT_ADMIN_ROUTES], [400]],
  [
    '/onceonly',
    [...ONCE_RUNS, ...ONCEONLY_AI_ROUTES, ...FEED_ROUTES, ...ONCEONLY_GOVERNANCE_ROUTES, ...USAGE_ROUTES],
    [422],
  ],
  ['/dynamiq', DYNAMIQ_ROUTES, [400]],
  ['/vai', VAI_ROUTES, [422]],
]
const ID = '019a6b3e-8f10-7c52-9a41-3f6f2d9f5f01'

/** Reads that answer a list: a bare one, or one under a name beside its paging. */
const isList = ({ method, stream, query, replies }: Route): boolean => {
  if (method !== 'GET' || stream) return false
  const { type, properties = {} } = (replies[200] ?? {}) as {
    type?: string
    properties?: Record<string, { type?: string }>
  }
  return type === 'array' || properties.data?.type === 'array' || (query !== undefined && hasList(properties))
}
const hasList = (properties: object): boolean => Object.values(properties).some((property) => property.type === 'array')

/** What a key may not call, or need not. */
const OTHER_CALLERS: ReadonlySet<string> = new Set(['run_token', 'session', 'nothing'])

describe.each(MOUNTS)('lists at %s', (prefix, routes, statuses) => {
  test('a list refuses an unknown parameter by name', async () => {
    const { call } = await httpYard()
    const lists = routes.filter(isList).filter(({ needs }) => !OTHER_CALLERS.has(needs))
    expect(lists.length).toBeGreaterThan(0)
    for (const { path } of lists) {
      const here =
        prefix + path.replace(':resource_type', 'decision').replace(':tool_server', 'tools').replaceAll(/:\w+/g, ID)
      const { status, body } = await call('GET', `${here}?no_such_filter=1`)
      expect([here, status, JSON.stringify(body)]).toEqual([
        here,
        expect.toSatisfy((it) => statuses.includes(it)),
        expect.stringContaining('no_such_filter'),
      ])
    }
  })
})

describe('a trailing slash', () => {
  test.each([
    ['GET', '/vai/api/v1/events/?limit=1', '/vai/api/v1/events?limit=1'],
    ['GET', '/vai/api/v1/events/aggregate/', '/vai/api/v1/events/aggregate'],
    ['GET', `/vai/api/v1/events/${ID}//`, `/vai/api/v1/events/${ID}`],
    ['GET', '/dynamiq/v1/runs/?page=1', '/dynamiq/v1/runs?page=1'],
    ['POST', '/dynamiq/v1/runs/', '/dynamiq/v1/runs'],
    ['GET', '/onceonly/v1/runs/', '/onceonly/v1/runs'],
  ])('a trailing slash of %s %s is redirected to the path without it', async (method, path, target) => {
    const { address } = await httpYard()
    const key = { authorization: 'Bearer test-key-of-the-operator' }
    const reply = await fetch(address + path, { method, headers: key, redirect: 'manual' })
    expect([reply.status, reply.headers.get('location')]).toEqual([307, target])
  })

  test('a trailing slash of an unknown path is not redirected', async () => {
    const { call } = await httpYard()
    expect((await call('GET', '/vai/api/v1/nothing/')).status).toBe(404)
    expect((await call('GET', '/vai//example.com/')).status).toBe(404)
  })
})
