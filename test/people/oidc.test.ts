import { describe, expect, test } from 'vitest'
import { readConfig } from '#config.ts'
import { httpYard } from '../support/http-yard.ts'
import { browserOf, join, joinWithPassword, openFirst } from '../support/people.ts'
import { browse, type IdentityProvider, type Jar, type Person } from './identity-provider.ts'
import { freePort, yardWithProvider } from './oidc-yard.ts'

type At = { address: string; provider: IdentityProvider }

/** Signs in anew, in a browser of its own; answers the page that it ends on and who is there. */
async function signInAs({ address, provider }: At, login: string, person: Person, returnTo = '/runs?state=failed') {
  provider.people.set(login, person)
  const jar: Jar = new Map()
  const isThere = (url: URL) => url.origin === address && !url.pathname.startsWith('/v1/')
  const page = await browse(jar, `${address}/v1/session/oidc?return_to=${encodeURIComponent(returnTo)}`, {
    login,
    isThere,
  })
  const cookie = jar.get(new URL(address).host)?.get('runyard_session')
  const browser = browserOf(address, `runyard_session=${cookie}`)
  const session = cookie === undefined ? undefined : (await browser.call('GET', '/v1/session')).body
  return { ...browser, page: page.href.slice(address.length), session }
}

const ada = { email: 'ada@example.com', email_verified: true, name: 'Ada', groups: ['oncall'] }

describe('an identity provider', () => {
  test('signs people in with the roles of their groups, and is asked for them each time', async () => {
    const yard = await yardWithProvider({
      RUNYARD_OIDC_ROLES: '*=viewer@default,oncall=operator@default,platform=owner',
    })
    expect((await yard.call('GET', '/v1/session/methods')).body.oidc.url).toBe(`${yard.address}/v1/session/oidc`)
    const first = await signInAs(yard, 'u1', ada)
    expect(first.page).toBe('/runs?state=failed')
    expect(first.session).toMatchObject({
      actor: { type: 'user', name: 'Ada' },
      user: { email: 'ada@example.com', has_password: false, owner: false },
      projects: [{ id: 'default', role: 'operator' }],
    })
    const demoted = await signInAs(yard, 'u1', { ...ada, groups: [] })
    expect(demoted.session).toMatchObject({ user: { id: first.session.user.id }, projects: [{ role: 'viewer' }] })
    const promoted = await signInAs(yard, 'u1', { ...ada, groups: ['platform'] })
    expect(promoted.session).toMatchObject({ user: { id: first.session.user.id, owner: true } })
    // The session that was open may do what the roles say now.
    expect((await first.call('GET', '/v1/projects')).status).toBe(200)
  })

  test('lets in nobody of another domain, without a verified address, or without a role', async () => {
    const yard = await yardWithProvider({
      RUNYARD_OIDC_ROLES: 'oncall=viewer@default',
      RUNYARD_OIDC_DOMAINS: 'example.com',
    })
    for (const [login, person] of [
      ['other', { ...ada, email: 'ada@example.com.evil.example' }],
      ['unverified', { ...ada, email_verified: false }],
      ['idle', { ...ada, groups: ['sales'] }],
    ] as const) {
      const { page, session } = await signInAs(yard, login, person)
      expect([page, session], login).toEqual(['/sign-in#error=not_admitted', undefined])
    }
    expect((await yard.call('GET', '/v1/users')).body.data).toEqual([])
  })

  test('takes over an account of the same verified address, whose password opens nothing any more', {
    timeout: 60_000,
  }, async () => {
    const yard = await yardWithProvider()
    const owner = await openFirst(yard.node)
    const planted = await joinWithPassword(yard.address, { inviter: owner.call, role: 'viewer', email: ada.email })
    const { session } = await signInAs(yard, 'u1', ada)
    expect(session.user).toMatchObject({ id: planted.session.user.id, has_password: false })
    expect((await planted.call('GET', '/v1/session')).status).toBe(401)
  })

  test('gives no account to an address that it has not verified', async () => {
    const yard = await yardWithProvider()
    const owner = await openFirst(yard.node)
    await join(yard.address, { inviter: owner.call, role: 'admin', email: ada.email })
    const { page, session } = await signInAs(yard, 'u1', { ...ada, email_verified: false })
    expect([page, session]).toEqual(['/sign-in#error=not_admitted', undefined])
  })

  test('leads back to pages of this server alone', async () => {
    const yard = await yardWithProvider({ RUNYARD_OIDC_ROLES: '*=viewer@default' })
    for (const elsewhere of ['https://evil.example.com/', '//evil.example.com', '/\\evil.example.com', 'runs'])
      expect((await signInAs(yard, 'u1', ada, elsewhere)).page, elsewhere).toBe('/')
  })
})

test('an answer that another browser asked for signs nobody in', async () => {
  const yard = await yardWithProvider({ RUNYARD_OIDC_ROLES: '*=viewer@default' })
  yard.provider.people.set('mallory', ada)
  const isCallback = (url: URL) => url.origin === yard.address && url.pathname.endsWith('/callback')
  const answer = await browse(new Map(), `${yard.address}/v1/session/oidc`, { login: 'mallory', isThere: isCallback })
  const victim: Jar = new Map()
  const isThere = (url: URL) => url.pathname === '/sign-in'
  const page = await browse(victim, answer.href, { login: 'x', isThere })
  expect(page.hash).toBe('#error=provider_failed')
  expect(victim.get(answer.host)?.get('runyard_session')).toBeUndefined()
})

test('a provider that is away is told on the sign-in page, and the node starts without it', async () => {
  const port = await freePort()
  const { address } = await httpYard({
    RUNYARD_PUBLIC_URL: 'http://127.0.0.1:1',
    RUNYARD_OIDC_ISSUER: `http://127.0.0.1:${port}`,
    RUNYARD_OIDC_CLIENT_ID: 'x',
  })
  const reply = await fetch(`${address}/v1/session/oidc`, { redirect: 'manual' })
  expect([reply.status, reply.headers.get('location')]).toEqual([
    303,
    'http://127.0.0.1:1/sign-in#error=provider_failed',
  ])
})

test.each([
  [{ RUNYARD_OIDC_ISSUER: 'http://login.example.com' }, /RUNYARD_OIDC_ISSUER/],
  [{ RUNYARD_OIDC_ISSUER: 'https://login.example.com' }, /RUNYARD_OIDC_CLIENT_ID/],
  [{ RUNYARD_OIDC_ISSUER: 'https://login.example.com', RUNYARD_OIDC_CLIENT_ID: 'x' }, /RUNYARD_PUBLIC_URL/],
  [
    {
      RUNYARD_OIDC_ISSUER: 'https://login.example.com',
      RUNYARD_OIDC_CLIENT_ID: 'x',
      RUNYARD_PUBLIC_URL: 'https://runyard.example.com',
      RUNYARD_OIDC_ROLES: 'oncall=root@default',
    },
    /RUNYARD_OIDC_ROLES/,
  ],
  [{ RUNYARD_PUBLIC_URL: 'runyard.example.com' }, /RUNYARD_PUBLIC_URL/],
  [{ RUNYARD_CORS_ORIGINS: 'https://a.example.com/path' }, /RUNYARD_CORS_ORIGINS/],
  [{ RUNYARD_TRUSTED_PROXIES: 'proxy' }, /RUNYARD_TRUSTED_PROXIES/],
])('%j is refused at the start, by name', (env, name) => {
  expect(() => readConfig(env)).toThrow(name)
})
