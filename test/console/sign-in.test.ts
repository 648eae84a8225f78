// Signing in with an identity provider, in a real browser: it is another site, as it is in real life.
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { yardWithProvider } from '../people/oidc-yard.ts'
import { browserMissing } from '../support/browser.ts'
import { launchBrowser, openConsole, requireConsole } from './signed-in.ts'

describe.skipIf(browserMissing)('the sign-in page', { timeout: 300_000 }, () => {
  let browser: Browser
  beforeAll(async () => {
    requireConsole()
    browser = await launchBrowser()
  }, 300_000)
  afterAll(() => browser?.close())

  test('leads to the identity provider, and from there back to the page that was asked for', async () => {
    const yard = await yardWithProvider({ RUNYARD_OIDC_ROLES: 'oncall=operator@default' }, { host: 'localhost' })
    const { address, provider } = yard
    provider.people.set('ada', { email: 'ada@example.com', email_verified: true, name: 'Ada', groups: ['oncall'] })
    provider.people.set('eve', { email: 'eve@example.com', email_verified: true, name: 'Eve', groups: [] })
    const { page, context } = await openConsole(browser, { address, key: '' })
    // The pages of this provider want a font of another host.
    const isHere = (url: URL) => ['127.0.0.1', 'localhost'].includes(url.hostname)
    await context.route(
      (url) => !isHere(url),
      (route) => route.abort(),
    )
    const signInAs = async (login: string) => {
      await page.getByRole('link', { name: `Sign in with ${new URL(provider.issuer).host}` }).click()
      await page.getByPlaceholder('Enter any login').fill(login)
      await page.getByPlaceholder('and password').fill('any')
      await page.getByRole('button', { name: 'Sign-in' }).click()
      await page.getByRole('button', { name: 'Continue' }).click()
    }

    await page.goto(`${address}/runs?status=failed`)
    await page.waitForURL((url) => url.pathname === '/sign-in')
    await signInAs('eve')
    await page
      .getByRole('alert')
      .getByText('Nobody has given you a role here yet. Ask an admin to invite you.')
      .waitFor()
    expect((await yard.call('GET', '/v1/users')).body.data).toEqual([])

    // Eve is still signed in at the provider; Ada comes to a browser of her own.
    await context.clearCookies()
    await page.goto(`${address}/runs?status=failed`)
    await page.waitForURL((url) => url.pathname === '/sign-in')
    await signInAs('ada')
    await page.getByRole('heading', { level: 1, name: 'Runs' }).waitFor()
    expect(page.url()).toBe(`${address}/runs?status=failed`)
    await page.getByRole('button', { name: 'Account: Ada' }).click()
    await page.getByRole('menuitem', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in to Runyard' }).waitFor()
    expect((await context.cookies(address)).map(({ name }) => name)).not.toContain('runyard_session')
  })
})
