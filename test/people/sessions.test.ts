import { describe, expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { callerOf, httpYard, KEY, openNode, until } from '../support/http-yard.ts'
import { browserOf, join, joinWithPassword, openFirst, PASSWORD, signIn, tokenOf } from '../support/people.ts'

describe('the cookie', () => {
  test('is read by no script, and sent by no other site', async () => {
    const { address } = await httpYard()
    const reply = await callerOf(address, '')('POST', '/v1/session', { api_key: KEY })
    expect(reply.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^runyard_session=rys_[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/),
    ])
    expect(reply.headers.get('cache-control')).toBe('no-store')
  })

  test('has the prefix __Host- over https, and then counts under no other name', async () => {
    const { address } = await httpYard({ RUNYARD_PUBLIC_URL: 'https://runyard.example.com' })
    const origin = 'https://runyard.example.com'
    const reply = await callerOf(address, '')('POST', '/v1/session', { api_key: KEY }, { headers: { origin } })
    const [cookie = ''] = reply.headers.getSetCookie()
    expect(cookie).toMatch(/^__Host-runyard=rys_[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Secure$/)
    const value = cookie.split(';', 1)[0]!
    expect((await browserOf(address, value, origin).call('GET', '/v1/session')).status).toBe(200)
    const moved = value.replace('__Host-runyard', 'runyard_session')
    expect((await browserOf(address, moved, origin).call('GET', '/v1/session')).status).toBe(401)
  })

  test('that a browser brought along is not taken over by a sign-in', async () => {
    const { address } = await httpYard()
    const planted = await signIn(address, { api_key: KEY })
    const reply = await planted.call('POST', '/v1/session', { api_key: KEY })
    const fresh = reply.headers.getSetCookie()[0]!.split(';', 1)[0]!
    expect(fresh).not.toBe(planted.cookie)
    expect(reply.body.id).not.toBe(planted.session.id)
  })
})

describe('a call from a page of another origin', () => {
  test('changes nothing, whether its origin is foreign, missing or null', async () => {
    const { address, node } = await httpYard()
    const owner = await openFirst(node)
    const job = { slug: 'j', execution: 'worker' }
    const bare = callerOf(address, '')
    for (const origin of ['https://evil.example.com', 'null', `${address}.evil.example.com`, undefined]) {
      const headers = { cookie: owner.cookie, ...(origin && { origin }) }
      const reply = await bare('POST', '/v1/jobs', job, { headers })
      expect([reply.status, reply.body.error.code], origin).toEqual([403, 'wrong_origin'])
    }
    expect((await owner.call('GET', '/v1/jobs')).body.data).toEqual([])
    expect((await owner.call('POST', '/v1/jobs', job)).status).toBe(201)
    // A key is sent by nobody but who means it.
    expect(
      (await bare('DELETE', '/v1/jobs/j', undefined, { key: KEY, headers: { origin: 'https://else.example.com' } }))
        .status,
    ).toBe(204)
  })

  test('signs nobody in', async () => {
    const { address } = await httpYard()
    const headers = { origin: 'https://evil.example.com' }
    const reply = await callerOf(address, '')('POST', '/v1/session', { api_key: KEY }, { headers })
    expect([reply.status, reply.headers.getSetCookie()]).toEqual([403, []])
  })

  test('is measured by RUNYARD_PUBLIC_URL where it is set', async () => {
    const { address } = await httpYard({ RUNYARD_PUBLIC_URL: 'https://runyard.example.com/base/' })
    const origin = 'https://runyard.example.com'
    const signed = await callerOf(address, '')('POST', '/v1/session', { api_key: KEY }, { headers: { origin } })
    const cookie = signed.headers.getSetCookie()[0]!.split(';', 1)[0]!
    expect((await browserOf(address, cookie, address).call('DELETE', '/v1/session')).status).toBe(403)
    const invited = await browserOf(address, cookie, origin).call('POST', '/v1/invitations', { role: 'viewer' })
    expect(invited.body.url).toMatch(/^https:\/\/runyard\.example\.com\/base\/sign-in#token=ryl_/)
  })
})

describe('a session', () => {
  test('ends by signing out, and its cookie with it', async () => {
    const { address } = await httpYard()
    const browser = await signIn(address, { api_key: KEY })
    const reply = await browser.call('DELETE', '/v1/session')
    expect([reply.status, reply.headers.getSetCookie()]).toEqual([
      204,
      [expect.stringMatching(/^runyard_session=; .*Max-Age=0$/)],
    ])
    expect((await browser.call('GET', '/v1/session')).status).toBe(401)
  })

  test('is listed and ended by its owner, and by nobody else', async () => {
    const { address, node } = await httpYard()
    const owner = await openFirst(node)
    const ada = await joinWithPassword(address, { inviter: owner.call, role: 'viewer', email: 'ada@example.com' })
    const phone = await signIn(address, { email: 'ada@example.com', password: PASSWORD })
    expect((await ada.call('GET', '/v1/sessions')).body.data).toMatchObject([
      { id: phone.session.id, current: false, address: '127.0.0.1' },
      { id: ada.session.id, current: true },
    ])
    const stolen = await owner.call('DELETE', `/v1/sessions/${phone.session.id}`)
    expect([stolen.status, stolen.body.error.code]).toEqual([404, 'session_not_found'])
    expect((await ada.call('DELETE', `/v1/sessions/${phone.session.id}`)).status).toBe(204)
    expect((await phone.call('GET', '/v1/session')).status).toBe(401)
    expect((await ada.call('DELETE', '/v1/sessions')).body).toEqual({ ended: 1 })
    expect((await ada.call('GET', '/v1/session')).status).toBe(401)
  })

  test('ends when nobody used it for a while, and in any case after its time', async () => {
    const { address, url } = await httpYard({ RUNYARD_SESSION_IDLE_HOURS: '2' })
    const sql = connect(url, { max: 1 })
    const [idle, old] = [await signIn(address, { api_key: KEY }), await signIn(address, { api_key: KEY })]
    await sql`update sessions set seen_at = now() - interval '121 minutes' where id = ${idle.session.id}`
    await sql`update sessions set expires_at = now() where id = ${old.session.id}`
    await sql.end()
    for (const browser of [idle, old])
      await until(
        async () => (await browser.call('GET', '/v1/me')).status,
        (status) => status === 401,
      )
  })

  test('of who was removed ends at once, on every node', { timeout: 120_000 }, async () => {
    const { address, node, url } = await httpYard()
    const other = await openNode(url)
    const owner = await openFirst(node)
    const ada = await joinWithPassword(address, { inviter: owner.call, role: 'admin', email: 'ada@example.com' })
    const there = browserOf(other.address, ada.cookie)
    expect((await there.call('GET', '/v1/runs')).status).toBe(200)
    expect((await owner.call('DELETE', `/v1/users/${ada.session.user.id}`)).status).toBe(204)
    expect((await ada.call('GET', '/v1/session')).status).toBe(401)
    await until(
      async () => (await there.call('GET', '/v1/runs')).status,
      (status) => status === 401,
    )
    const back = await callerOf(address, '')('POST', '/v1/session', { email: 'ada@example.com', password: PASSWORD })
    expect(back.status).toBe(401)
  })

  test('is asked for where a key is not enough, and is no key where one is needed', async () => {
    const { call, node } = await httpYard()
    const owner = await openFirst(node)
    expect((await call('GET', '/v1/session')).body.error.code).toBe('wrong_credential')
    expect((await owner.call('GET', '/v1/me')).body.error.code).toBe('wrong_credential')
  })
})

describe('the project of a call', () => {
  test('is chosen by a header, and remembered for the next session', async () => {
    const { address, call, node } = await httpYard()
    await call('POST', '/v1/projects', { id: 'second' })
    const owner = await openFirst(node)
    const inSecond = { headers: { 'runyard-project': 'second' } }
    expect((await owner.call('POST', '/v1/jobs', { slug: 'there', execution: 'worker' }, inSecond)).status).toBe(201)
    expect((await owner.call('GET', '/v1/jobs')).body.data).toEqual([])
    expect((await owner.call('GET', '/v1/jobs', undefined, inSecond)).body.data).toHaveLength(1)
    expect((await owner.call('GET', '/v1/session', undefined, inSecond)).body.project_id).toBe('second')
    expect((await signIn(address, { api_key: KEY })).session.project_id).toBe('default')
  })

  test('that is not the caller’s is not there', async () => {
    const { address, call, node } = await httpYard()
    await call('POST', '/v1/projects', { id: 'second' })
    const owner = await openFirst(node)
    const ada = await join(address, { inviter: owner.call, role: 'admin', email: 'ada@example.com' })
    const key = await signIn(address, { api_key: KEY })
    for (const browser of [ada, key])
      for (const project of ['second', 'nowhere', 'x'.repeat(200)]) {
        const reply = await browser.call('GET', '/v1/jobs', undefined, { headers: { 'runyard-project': project } })
        expect([reply.status, reply.body.error.code]).toEqual([404, 'project_not_found'])
      }
    expect(ada.session.projects).toMatchObject([{ id: 'default', role: 'admin' }])
  })
})

test('what a one-time link carries is behind #, where no proxy sees it', async () => {
  const { node } = await httpYard()
  expect(node.console).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/sign-in#token=ryl_[\w-]{43}$/)
  expect(tokenOf(node.console!)).toMatch(/^ryl_/)
})
