import { describe, expect, test } from 'vitest'
import { callerOf, httpYard, KEY, openNode, until } from '../support/http-yard.ts'
import { browserOf, joinWithPassword, openFirst, PASSWORD, signIn, tokenOf } from '../support/people.ts'

/** Passwords are meant to be slow. */
const SLOW = { timeout: 120_000 }

describe('the link of the first start', () => {
  test('makes the owner, who may do everything in every project', SLOW, async () => {
    const { node, call } = await httpYard()
    await call('POST', '/v1/projects', { id: 'second' })
    const owner = await openFirst(node)
    expect(owner.session).toMatchObject({
      actor: { type: 'user', name: 'Operator' },
      user: { owner: true, has_password: false, email: null },
      project_id: 'default',
      projects: [
        { id: 'default', role: 'admin' },
        { id: 'second', role: 'admin' },
      ],
      version: expect.stringMatching(/^\d+\.\d+/),
    })
    expect(owner.session.scopes).toEqual(expect.arrayContaining(['runs:read', 'inputs:answer', 'admin', 'projects']))
    expect((await owner.call('GET', '/v1/projects')).body.data).toHaveLength(2)
    expect((await owner.call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })).status).toBe(201)
    const [event] = (await owner.call('GET', '/v1/events?type=job.created')).body.data
    expect(event).toMatchObject({ actor_type: 'user', actor_id: owner.session.user.id })
  })

  test('opens once, and not at all when another node’s link was first', async () => {
    const { node, url } = await httpYard()
    const other = await openNode(url)
    const second = tokenOf(other.console!)
    await openFirst(node)
    for (const link_token of [tokenOf(node.console!), second, 'ryl_unknown']) {
      const reply = await callerOf(node.address, '')('POST', '/v1/session', { link_token })
      expect([reply.status, reply.body.error.code], link_token).toEqual([410, 'link_over'])
    }
    expect((await openNode(url)).console).toBeUndefined()
  })

  test('makes one owner when two open theirs at the same moment', async () => {
    const { node, url, call } = await httpYard()
    const other = await openNode(url)
    const replies = await Promise.all(
      [node, other].map((one) =>
        callerOf(one.address, '')('POST', '/v1/session', { link_token: tokenOf(one.console!) }),
      ),
    )
    expect(replies.map((reply) => reply.status).sort()).toEqual([201, 410])
    expect((await call('GET', '/v1/users')).body.data).toHaveLength(1)
  })
})

describe('a password', () => {
  test('signs in, with the address in any case', async () => {
    const { node, address } = await httpYard()
    const owner = await openFirst(node)
    const ada = await joinWithPassword(address, { inviter: owner.call, role: 'viewer', email: 'Ada@Example.com' })
    const again = await signIn(address, { email: ' ada@example.COM ', password: PASSWORD })
    expect(again.session.user).toMatchObject({ id: ada.session.user.id, email: 'ada@example.com', has_password: true })
    expect(again.session.id).not.toBe(ada.session.id)
  })

  test('that is wrong, and an account that does not exist, are answered alike', async () => {
    const { node, address } = await httpYard()
    const owner = await openFirst(node)
    await joinWithPassword(address, { inviter: owner.call, role: 'viewer', email: 'ada@example.com' })
    const answers = await Promise.all(
      ['ada@example.com', 'nobody@example.com'].map(async (email) => {
        const reply = await callerOf(address, '')('POST', '/v1/session', { email, password: 'wrong' })
        return [reply.status, reply.body.error, reply.headers.getSetCookie()]
      }),
    )
    expect(answers[0]).toEqual([401, expect.objectContaining({ code: 'unauthorized' }), []])
    expect(answers[1]).toEqual(answers[0])
  })

  test('is tried ten times, on whichever node, and then not even the right one is looked at', {
    timeout: 120_000,
  }, async () => {
    const { node, address, url } = await httpYard()
    const other = await openNode(url)
    const owner = await openFirst(node)
    await joinWithPassword(address, { inviter: owner.call, role: 'viewer', email: 'ada@example.com' })
    const attempt = (at: string, password: string) =>
      callerOf(at, '')('POST', '/v1/session', { email: 'ada@example.com', password })
    for (let n = 0; n < 10; n++)
      expect((await attempt(n % 2 ? address : other.address, `wrong ${n}`)).status, `attempt ${n}`).toBe(401)
    for (const at of [address, other.address]) {
      const refused = await attempt(at, PASSWORD)
      expect([refused.status, refused.body.error.code]).toEqual([429, 'rate_limited'])
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(60)
    }
    // Other accounts and other ways in are not touched by it.
    expect((await signIn(address, { api_key: KEY })).session.actor.type).toBe('api_key')
  })

  test('that is changed ends all other sessions, and the old one opens nothing', SLOW, async () => {
    const { node, address, url } = await httpYard()
    const other = await openNode(url)
    const owner = await openFirst(node)
    const here = await joinWithPassword(address, { inviter: owner.call, role: 'viewer', email: 'ada@example.com' })
    const there = await signIn(other.address, { email: 'ada@example.com', password: PASSWORD })
    const change = (current_password: string) =>
      here.call('PUT', '/v1/session/password', { current_password, password: 'another long password' })
    expect((await change('not it')).body.error.details.fields[0].field).toBe('current_password')
    expect((await there.call('GET', '/v1/session')).status).toBe(200)
    expect((await change(PASSWORD)).status).toBe(204)
    expect((await here.call('GET', '/v1/session')).status).toBe(200)
    await until(
      async () => (await there.call('GET', '/v1/session')).status,
      (status) => status === 401,
    )
    const old = await callerOf(address, '')('POST', '/v1/session', { email: 'ada@example.com', password: PASSWORD })
    expect(old.status).toBe(401)
    await signIn(address, { email: 'ada@example.com', password: 'another long password' })
  })

  test('has 12 characters or more, and needs an address to go with', async () => {
    const { node } = await httpYard()
    const owner = await openFirst(node)
    const set = (password: string) => owner.call('PUT', '/v1/session/password', { password })
    expect((await set(PASSWORD)).body.error.details.fields[0].field).toBe('email')
    expect(
      (await owner.call('PATCH', '/v1/session/profile', { email: 'op@example.com', name: 'Op' })).body.user,
    ).toMatchObject({ name: 'Op', email: 'op@example.com' })
    for (const weak of ['short', 'aaaaaaaaaaaaaaaa']) {
      const reply = await set(weak)
      expect([reply.status, reply.body.error.details.fields[0].field], weak).toEqual([422, 'password'])
    }
    expect((await set(PASSWORD)).status).toBe(204)
  })
})

describe('a key', () => {
  test('opens a session that may do what the key may, and ends with it', async () => {
    const { call, address } = await httpYard()
    const made = (await call('POST', '/v1/keys', { name: 'console', scopes: ['runs:read'] })).body
    const browser = await signIn(address, { api_key: made.key })
    expect(browser.session).toMatchObject({
      actor: { type: 'api_key', id: made.id, name: 'console' },
      user: null,
      scopes: ['runs:read', 'stats:read'],
      projects: [{ id: 'default', role: null }],
    })
    expect((await browser.call('GET', '/v1/runs')).status).toBe(200)
    expect((await browser.call('GET', '/v1/jobs')).status).toBe(403)
    await call('DELETE', `/v1/keys/${made.id}`)
    await until(
      async () => (await browser.call('GET', '/v1/runs')).status,
      (status) => status === 401,
    )
  })

  test('that is wrong opens none', async () => {
    const { address } = await httpYard()
    expect((await callerOf(address, '')('POST', '/v1/session', { api_key: 'ry_wrong' })).status).toBe(401)
  })
})

test('one way to sign in is taken, and no more', async () => {
  const { address } = await httpYard()
  const nobody = callerOf(address, '')
  for (const body of [{}, { api_key: KEY, link_token: 'x' }, { email: 'a@b.c' }, { password: 'p' }])
    expect((await nobody('POST', '/v1/session', body)).status, JSON.stringify(body)).toBe(422)
})

test('a session of another installation is nobody here', async () => {
  const [first, second] = [await httpYard(), await httpYard()]
  const owner = await openFirst(first.node)
  const reply = await browserOf(second.address, owner.cookie).call('GET', '/v1/session')
  expect([reply.status, reply.body.error.code]).toEqual([401, 'unauthorized'])
})
