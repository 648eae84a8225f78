// Whoever hands out a right holds it: all routes that give a key, on both surfaces, with every narrower key.
import { describe, expect, test } from 'vitest'
import { ROUTES } from '#contract/routes.ts'
import { holdsScope, SCOPES, type Scope } from '#core/scopes.ts'
import { STRAIT_ADMIN_ROUTES } from '#dialects/strait/admin.ts'
import { connect } from '#postgres/sql.ts'
import { type Call, callerOf, type HttpYard, httpYard, openNode, until } from '../support/http-yard.ts'

type Made = { id: string; key: string; expires_at: string | null; rate_limit_per_minute: number | null }

const makeKey = async (call: Call, scopes: readonly string[], more: object = {}): Promise<Made> => {
  const made = await call('POST', '/v1/keys', { name: scopes.join(' '), scopes, ...more })
  expect(made.status, JSON.stringify(made.body)).toBe(201)
  return made.body
}

/** What the key in a reply may do, asked of the key itself. */
async function scopesOf(address: string, key: string): Promise<string[]> {
  return (await callerOf(address, key)('GET', '/v1/me')).body.scopes
}

/** The names of scopes at /strait that stand for one of ours. */
const STRAIT_WORD: Partial<Record<Scope, string>> = {
  'runs:read': 'runs:read',
  'runs:write': 'runs:write',
  'runs:trigger': 'jobs:trigger',
  'runs:redrive': 'dlq:replay',
  'stats:read': 'stats:read',
  'jobs:read': 'jobs:read',
  'jobs:write': 'jobs:write',
  keys: 'api-keys:manage',
  workers: 'workers:connect',
  projects: 'projects:*',
  admin: '*',
}

test('every route that returns a key or a token is tested here, or listed with the reason why not', () => {
  const gives = (route: (typeof ROUTES)[number]) => /"(key|run_token)":\{"type":"string"/.test(secretsOf(route.replies))
  expect(ROUTES.filter(gives).map((it) => it.name)).toEqual([
    // Its token is good for the claimed run alone, and for no longer than the attempt.
    'claimRuns',
    'createProject',
    'createKey',
    'rotateKey',
  ])
  expect(STRAIT_ADMIN_ROUTES.filter(gives).map((it) => it.name)).toEqual(['createKey', 'rotateKey', 'createProject'])
})

/** Values of the state and outputs are kept under a key too, which opens nothing. */
const secretsOf = (replies: object): string =>
  JSON.stringify(replies).replaceAll(/"key":\{[^}]*"description":"(?!The key itself)[^"]*"[^}]*\}/g, '')

describe('no key grants more than it has', () => {
  const narrower = SCOPES.flatMap((scope) => (scope === 'keys' ? [['keys']] : [[scope], ['keys', scope]]))

  test('no key grants more than it has by creating a key, natively and at /strait', { timeout: 90_000 }, async () => {
    const { call, address } = await httpYard()
    for (const scopes of narrower) {
      const giver = callerOf(address, (await makeKey(call, scopes)).key)
      for (const wanted of SCOPES) {
        const native = await giver('POST', '/v1/keys', { name: 'gift', scopes: [wanted] })
        await expectNothingWider(address, { native, scopes, wanted })
        const word = STRAIT_WORD[wanted]
        if (!word) continue
        const strait = await giver('POST', '/strait/v1/api-keys', { name: 'gift', scopes: [word] })
        await expectNothingWider(address, { native: strait, scopes, wanted })
      }
    }
  })

  test('no key grants more than it has by rotating one, natively and at /strait', { timeout: 90_000 }, async () => {
    const { call, address } = await httpYard()
    const targets = new Map<string, string>()
    for (const wanted of SCOPES) targets.set(wanted, (await makeKey(call, [wanted])).id)
    for (const scopes of narrower) {
      const giver = callerOf(address, (await makeKey(call, scopes)).key)
      for (const wanted of SCOPES)
        for (const path of ['/v1/keys', '/strait/v1/api-keys']) {
          const native = await giver('POST', `${path}/${targets.get(wanted)}/rotate`, {})
          await expectNothingWider(address, { native, scopes, wanted })
          if (native.status === 201) targets.set(wanted, native.body.id)
        }
    }
    // What was refused is as it was: none of the others has been rotated, or ends.
    const listed = (await call('GET', '/v1/keys?limit=500')).body.data as Made[]
    for (const [wanted, id] of targets) expect(listed.find((it) => it.id === id)?.expires_at, wanted).toBeNull()
  })

  test('no key grants more than it has by creating a project or changing its plan', async () => {
    const { call, address } = await httpYard()
    for (const [index, scopes] of narrower.entries()) {
      if (scopes.includes('admin')) continue
      const giver = callerOf(address, (await makeKey(call, scopes)).key)
      for (const path of ['/v1/projects', '/strait/v1/projects'])
        expect((await giver('POST', path, { id: `p${index}` })).status, scopes.join()).toBe(403)
      const plan = await giver('PUT', '/v1/projects/default/plan', { plan: 'agency' })
      expect(plan.status, scopes.join()).toBe(scopes.includes('projects') ? 200 : 403)
    }
    expect((await call('GET', '/v1/projects')).body.data).toHaveLength(1)
    const both = callerOf(address, (await makeKey(call, ['admin', 'projects'])).key)
    const made = await both('POST', '/v1/projects', { id: 'own' })
    expect(await scopesOf(address, made.body.key)).toEqual(['admin'])
  })
})

type Gift = { native: Awaited<ReturnType<Call>>; scopes: readonly string[]; wanted: Scope }

/** Either it was refused, or what came back may do no more than what asked for it. */
async function expectNothingWider(address: string, { native: reply, scopes, wanted }: Gift): Promise<void> {
  const held = new Set(scopes)
  const about = `${scopes.join('+')} gives ${wanted}: ${JSON.stringify(reply.body)}`
  const mayGive = holdsScope(held, 'keys') && holdsScope(held, wanted)
  expect(reply.status, about).toBe(mayGive ? 201 : 403)
  if (!mayGive) return expect(JSON.stringify(reply.body), about).not.toContain('ry_')
  for (const scope of await scopesOf(address, reply.body.key)) expect(holdsScope(held, scope), about).toBe(true)
}

/** As the database would have it after a while. */
const expireIn = async ({ url }: HttpYard, keyId: string, ms: number): Promise<void> => {
  const sql = connect(url, { max: 1 })
  await sql`update api_keys set expires_at = now() + ${ms}::float8 * interval '1 ms' where id = ${keyId}`
  await sql.end()
}

describe('a key that expires', () => {
  test('a key that expires passes its expiry on when it is rotated', async () => {
    const { call } = await httpYard()
    const old = await makeKey(call, ['runs:read'], { expires_in_days: 1, rate_limit_per_minute: 7 })
    for (const path of ['/v1/keys', '/strait/v1/api-keys']) {
      const twin = await makeKey(call, ['runs:read'], { expires_in_days: 1 })
      expect((await call('POST', `${path}/${twin.id}/rotate`)).body.expires_at, path).toBe(twin.expires_at)
    }
    const next = (await call('POST', `/v1/keys/${old.id}/rotate`)).body
    expect([next.expires_at, next.rate_limit_per_minute]).toEqual([old.expires_at, 7])
    // The old one lives for its grace, and no longer than it would have.
    const listed = (await call('GET', '/v1/keys')).body.data as Made[]
    expect(Date.parse(listed.find((it) => it.id === old.id)!.expires_at!)).toBeLessThan(Date.parse(old.expires_at!))
  })

  test('a key that expires creates and rotates no key that lasts longer or has a higher rate limit', async () => {
    const { call, address } = await httpYard()
    const own = { expires_in_days: 2, rate_limit_per_minute: 500 }
    const giver = await makeKey(call, ['keys', 'runs:read'], own)
    const give = callerOf(address, giver.key)
    const ask = (more: object) => give('POST', '/v1/keys', { name: 'k', scopes: ['runs:read'], ...more })
    const inherited = await ask({})
    expect(inherited.body).toMatchObject({ expires_at: giver.expires_at, rate_limit_per_minute: 500 })
    expect((await ask({ expires_in_days: 1, rate_limit_per_minute: 5 })).status).toBe(201)
    for (const beyond of [{ expires_in_days: 3 }, { rate_limit_per_minute: 501 }]) {
      const reply = await ask(beyond)
      expect([reply.status, reply.body.error.code]).toEqual([403, 'exceeds_own_rights'])
    }
    const endless = await makeKey(call, ['runs:read'])
    for (const path of ['/v1/keys', '/strait/v1/api-keys'])
      expect((await give('POST', `${path}/${endless.id}/rotate`)).status).toBe(403)
    const strait = await give('POST', '/strait/v1/api-keys', { name: 'k', scopes: ['runs:read'] })
    expect(strait.body.expires_at).toBe(giver.expires_at)
    expect((await give('POST', `/v1/keys/${giver.id}/rotate`)).body.expires_at).toBe(giver.expires_at)
  })

  test('an expired key cannot be rotated', async () => {
    const yard = await httpYard()
    const old = await makeKey(yard.call, ['runs:read'])
    await expireIn(yard, old.id, -1)
    const refused = await yard.call('POST', `/v1/keys/${old.id}/rotate`)
    expect([refused.status, refused.body.error.code]).toEqual([409, 'key_not_rotatable'])
    expect(refused.body.error.message).toContain('has expired')
  })
})

test('a key in its grace period cannot be rotated again, by itself or twice at once', async () => {
  const { call, address, url } = await httpYard()
  const old = await makeKey(call, ['keys'])
  const other = await openNode(url)
  const own = [callerOf(address, old.key), callerOf(other.address, old.key)]
  const both = await Promise.all(own.map((it) => it('POST', `/v1/keys/${old.id}/rotate`)))
  expect(both.map((reply) => reply.status).sort()).toEqual([201, 409])
  for (const path of ['/v1/keys', '/strait/v1/api-keys'])
    expect((await own[0]!('POST', `${path}/${old.id}/rotate`)).status, path).toBe(409)
  // What it makes meanwhile ends with its grace.
  const made = await own[0]!('POST', '/v1/keys', { name: 'k', scopes: ['keys'] })
  expect(Date.parse(made.body.expires_at) - Date.now()).toBeLessThanOrEqual(3_600_000)
})

test('a revoked key grants nothing, whatever a node has cached of it', async () => {
  const { call, address, url } = await httpYard()
  const giver = await makeKey(call, ['keys'])
  const give = callerOf(address, giver.key)
  expect((await give('GET', '/v1/keys')).status).toBe(200)
  const sql = connect(url, { max: 1 })
  // Without the ring that would tell this node.
  await sql`update api_keys set revoked_at = now() where id = ${giver.id}`
  await sql.end()
  const replies = await Promise.all([
    give('POST', '/v1/keys', { name: 'k', scopes: ['keys'] }),
    give('POST', `/v1/keys/${giver.id}/rotate`),
  ])
  for (const reply of replies) expect(reply.status).toBeOneOf([401, 404])
  await until(
    async () => (await give('GET', '/v1/keys')).status,
    (status) => status === 401,
  )
})
