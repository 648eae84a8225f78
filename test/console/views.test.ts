// The list of runs as a person wants it, the events that a run waits for, prices and keys, in a real browser.
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { browserMissing } from '../support/browser.ts'
import { callerOf, httpYard, trigger, untilState } from '../support/http-yard.ts'
import { launchBrowser, openConsole, requireConsole } from './signed-in.ts'

describe.skipIf(browserMissing)('in the console', { timeout: 300_000 }, () => {
  let browser: Browser
  beforeAll(async () => {
    requireConsole()
    browser = await launchBrowser()
  }, 300_000)
  afterAll(() => browser?.close())

  test('filters have names, columns can be chosen, and both are there again after a reload', async () => {
    const { address, call } = await httpYard()
    for (const slug of ['mail', 'bank']) {
      await call('POST', '/v1/jobs', { slug, execution: 'worker', queue: `${slug}-queue` })
      await trigger(call, slug)
    }
    const { page, problems } = await openConsole(browser, { address })
    await page.goto(`${address}/runs?job=mail`)
    await page.getByRole('link', { name: 'mail' }).waitFor()
    await page.keyboard.press('v')
    await page.getByLabel('Name for the filters that are set now').fill('letters')
    await page.getByRole('button', { name: 'Save' }).click()
    await page
      .getByRole('group', { name: /^Columns/ })
      .getByLabel('Queue')
      .check()
    await page.keyboard.press('Escape')
    await page.getByRole('cell', { name: 'mail-queue' }).waitFor()
    await page.goto(`${address}/runs`)
    await page.getByRole('cell', { name: 'bank-queue' }).waitFor()
    await page.getByRole('button', { name: 'Views …' }).click()
    await page.getByRole('button', { name: 'letters', exact: true }).click()
    await page.waitForURL((url) => url.search === '?job=mail')
    await page.getByRole('cell', { name: 'bank-queue' }).waitFor({ state: 'detached' })
    await page.keyboard.press('Backspace')
    await page.waitForURL((url) => url.search === '')
    expect(problems).toEqual([])
  })

  test('a run that waits for several events is sent one of them', async () => {
    const { address, call } = await httpYard()
    await call('POST', '/v1/jobs', { slug: 'waits', execution: 'worker' })
    const run = await trigger(call, 'waits')
    const claimed = (await call('POST', '/v1/workers/claim', { worker_id: 'w' })).body.runs[0]
    const asked = { key: 'paid', mode: 'any', for: [{ event_key: 'paid/1' }, { event_key: 'paid/2' }] }
    await callerOf(address, claimed.run_token)('POST', `/v1/runs/${run.id}/waits`, asked)
    const { page, problems } = await openConsole(browser, { address })
    await page.goto(`${address}/runs/${run.id}`)
    await page.getByText('It is waiting for any of paid/1, paid/2.').waitFor()
    await page.keyboard.press('.')
    await page.getByRole('dialog').getByRole('combobox').selectOption('paid/2')
    await page.getByLabel('Payload (JSON)').fill('{"amount": 9007199254740993}')
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await untilState(call, run.id, ['queued'])
    await page.getByRole('link', { name: 'States' }).click()
    await page.getByText('It went Queued → Executing → Waiting → Queued.').waitFor()
    expect(problems).toEqual([])
  })

  test('a key is rotated, and a price set and deleted', async () => {
    const { address, call } = await httpYard()
    await call('POST', '/v1/keys', { name: 'robot', scopes: ['workers'] })
    const { page, problems } = await openConsole(browser, { address })
    await page.goto(`${address}/settings?tab=keys`)
    await page.getByRole('row', { name: /robot/ }).getByRole('button', { name: 'Rotate …' }).click()
    await page.getByLabel('The old key').selectOption('0')
    await page.getByRole('button', { name: 'Rotate', exact: true }).click()
    await page.getByText('it is not shown again').waitFor()
    const key = (await page.getByRole('dialog').locator('pre').textContent()) ?? ''
    expect((await callerOf(address, key)('GET', '/v1/me')).body.scopes).toEqual(['workers'])

    await page.goto(`${address}/usage`)
    await page.getByRole('button', { name: 'Set a price …' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Provider').fill('acme')
    await dialog.getByLabel(/^Model/).fill('m-1')
    await dialog.getByLabel(/^Prompt/).fill('0.25')
    await dialog.getByLabel(/^Completion/).fill('2')
    await dialog.getByRole('button', { name: 'Set the price' }).click()
    const row = page.getByRole('row', { name: /acme/ })
    await row.waitFor()
    const [price] = (await call('GET', '/v1/prices?limit=500')).body.data.filter(
      ({ provider }: { provider: string }) => provider === 'acme',
    )
    expect(price).toMatchObject({ prompt_microusd_per_million: 250_000, completion_microusd_per_million: 2_000_000 })
    await row.getByRole('button', { name: 'Delete …' }).click()
    await dialog.getByRole('button', { name: 'Delete' }).click()
    await row.waitFor({ state: 'detached' })
    expect(problems).toEqual([])
  })
})
