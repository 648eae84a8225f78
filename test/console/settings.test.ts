// Webhooks and alerts in the settings of the console, in a real browser.
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { browserMissing } from '../support/browser.ts'
import { httpYard, trigger, until } from '../support/http-yard.ts'
import { httpServer } from '../support/local-servers.ts'
import { launchBrowser, openConsole, requireConsole } from './signed-in.ts'

describe.skipIf(browserMissing)('in the settings of the console', { timeout: 300_000 }, () => {
  let browser: Browser
  beforeAll(async () => {
    requireConsole()
    browser = await launchBrowser()
  }, 300_000)
  afterAll(() => browser?.close())

  test('a webhook is created, tested, edited and replayed, and what it was sent and answered is shown', async () => {
    const { address, call } = await httpYard()
    const bodies: string[] = []
    const receiver = await httpServer((request, response) => {
      let body = ''
      request.on('data', (piece) => {
        body += piece
      })
      request.on('end', () => {
        bodies.push(body)
        response.end('thank you')
      })
    })
    const { page, problems } = await openConsole(browser, { address })
    await page.goto(`${address}/settings?tab=webhooks`)
    await page.getByText('No webhooks yet').waitFor()
    await page.getByRole('button', { name: 'Create a webhook …' }).click()
    await page.getByLabel('Name').fill('copies')
    await page.getByLabel(/^URL/).fill(receiver.url)
    await page.getByLabel(/^Types/).fill('run.*')
    await page.getByRole('button', { name: 'Create', exact: true }).click()
    await page.getByText('whsec_').waitFor()
    await page.getByRole('button', { name: 'Done' }).click()

    await page.getByRole('button', { name: 'Test …' }).click()
    await page.getByRole('button', { name: 'Send a test' }).click()
    await page.getByText('thank you').waitFor()
    await page.keyboard.press('Escape')

    await call('POST', '/v1/jobs', { slug: 'mail', execution: 'worker' })
    const run = await trigger(call, 'mail')
    await page.getByRole('button', { name: 'run.created' }).click()
    await page.getByRole('dialog').getByText(run.id).first().waitFor()
    const sent = bodies.length
    await page.getByRole('button', { name: 'Replay from this event …' }).click()
    await page.getByRole('button', { name: 'Replay', exact: true }).click()
    await until(
      async () => bodies.slice(sent),
      (again) => again.some((body) => body.includes(run.id)),
    )
    await page.getByRole('button', { name: 'Done' }).click()

    await page.getByRole('button', { name: 'Edit …' }).click()
    await page.getByLabel('Jobs, one per line').fill('mail')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('run.* · jobs mail').waitFor()
    const [webhook] = (await call('GET', '/v1/webhooks')).body.data
    expect(webhook).toMatchObject({ name: 'copies', types: ['run.*'], jobs: ['mail'], states: [] })
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByText('Paused').waitFor()
    await page.getByRole('button', { name: 'Delete …' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await page.getByText('No webhooks yet').waitFor()
    expect((await call('GET', '/v1/webhooks')).body.data).toEqual([])
    expect(problems).toEqual([])
  })

  test('a rule tells a channel that was tested, is silenced, and shows what it raised', async () => {
    const { address, call } = await httpYard()
    const texts: string[] = []
    const chat = await httpServer((request, response) => {
      request.on('data', (piece) => texts.push(String(piece)))
      request.on('end', () => response.end('ok'))
    })
    await call('POST', '/v1/agents/bot/disable', { reason: 'loops' })
    const { page, problems } = await openConsole(browser, { address })
    await page.goto(`${address}/settings?tab=alerts`)
    await page.getByRole('button', { name: 'Create a channel …' }).click()
    await page.getByLabel('Name').fill('on call')
    await page.getByLabel('URL').fill(chat.url)
    await page.getByRole('button', { name: 'Create', exact: true }).click()
    await page.getByRole('button', { name: 'Test …' }).click()
    await page.getByRole('button', { name: 'Send a test' }).click()
    await page.getByText('The receiver took it.').waitFor()
    expect(texts).toHaveLength(1)
    await page.keyboard.press('Escape')

    await page.getByRole('button', { name: 'Create a rule …' }).click()
    await page.getByLabel('Name').fill('Agents off')
    await page.getByLabel('What it counts').selectOption('agent_disabled')
    await page.getByLabel('on call (slack)').check()
    await page.getByRole('button', { name: 'Create', exact: true }).click()
    await page.getByRole('group', { name: 'Alerts' }).getByText('Firing').waitFor()
    await page.getByText(/1 agents? (is|are) switched off/).waitFor()

    await page.getByRole('button', { name: 'Silence …' }).click()
    await page.getByRole('button', { name: 'A day' }).click()
    await page.getByText(/silenced until/).waitFor()
    await page.getByRole('button', { name: 'Edit …' }).click()
    await page.getByLabel(/^It is too much from/).fill('2')
    await page.getByRole('button', { name: 'Save' }).click()
    const rule = await until(
      async () => (await call('GET', '/v1/alerts/rules')).body.data[0],
      ({ threshold }) => threshold === 2,
    )
    expect(rule).toMatchObject({ kind: 'agent_disabled', name: 'Agents off', agent: null })
    expect(Date.parse(rule.silenced_until)).toBeGreaterThan(Date.now())
    await page.getByRole('group', { name: 'Alerts' }).getByText('Resolved').waitFor()
    expect(problems).toEqual([])
  })
})
