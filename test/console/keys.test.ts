// What keys do in the console, in a real browser.
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { browserMissing } from '../support/browser.ts'
import { callerOf, httpYard, trigger, until } from '../support/http-yard.ts'
import { joinWithPassword, openFirst, PASSWORD, signIn } from '../support/people.ts'
import { launchBrowser, openConsole, requireConsole } from './signed-in.ts'

describe.skipIf(browserMissing)('in the console', { timeout: 300_000 }, () => {
  let browser: Browser
  beforeAll(async () => {
    requireConsole()
    browser = await launchBrowser()
  }, 300_000)
  afterAll(() => browser?.close())

  test('runs are peeked at, selected one by one, in a range or all, and let go by Escape', async () => {
    const { address, call } = await httpYard()
    await call('POST', '/v1/jobs', { slug: 'mail', execution: 'worker' })
    for (const to of ['ada', 'bob', 'cat', 'dan']) await trigger(call, 'mail', { payload: { to } })
    const { page, problems } = await openConsole(browser, { address })
    await page.goto(`${address}/runs`)
    await page.locator('a[data-row]').nth(3).waitFor()
    const press = (...keys: string[]) => pressAll(page, keys)
    await press('j', 'Space')
    const peek = page.getByRole('dialog', { name: 'mail' })
    await peek.getByText('dan').waitFor()
    await press('j')
    await peek.getByText('cat').waitFor()
    await press('Space')
    await peek.waitFor({ state: 'detached' })
    expect(new URL(page.url()).pathname).toBe('/runs')

    await press('x', 'j', 'j', 'Shift+X')
    await page.getByText('3 runs selected:').waitFor()
    await press('Escape')
    await page.getByText('All that match:').waitFor()
    await press('x')
    await page.getByText('1 run selected:').waitFor()
    await press('*')
    await page.getByText('All that match:').waitFor()
    expect(await page.evaluate<string>('document.activeElement.textContent')).toBe('Cancel …')

    await press('f')
    await page.keyboard.type('job:mail')
    await press('Escape', '?')
    await page.getByRole('dialog', { name: 'Shortcuts' }).getByText('Act on all that match the filters').waitFor()
    await press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await press('Control+k')
    await page.keyboard.type('views and')
    await press('Enter')
    await page.getByRole('dialog', { name: 'Views and columns' }).waitFor()
    expect(problems).toEqual([])
  })

  test('a timeline is zoomed to a span, and Escape goes back step by step', async () => {
    const { address, call } = await httpYard()
    const nowMs = Date.now()
    for (const secs of [50, 30, 10])
      await call('POST', '/v1/events', {
        run_id: 'theirs',
        type: 'agent.tool_call.completed',
        tool: `tool-${secs}`,
        duration_ms: 1_000,
        occurred_at: new Date(nowMs - secs * 1_000).toISOString(),
      })
    const { page, problems } = await openConsole(browser, { address })
    await page.goto(`${address}/runs`)
    await page.locator('a[data-row]').first().click()
    const row = page.getByRole('treeitem', { name: /tool-30/ })
    await row.click()
    const widthOfBar = async () => (await row.locator('i').first().boundingBox())?.width ?? 0
    const before = await widthOfBar()
    await pressAll(page, ['z'])
    await page.getByRole('button', { name: 'Whole run' }).waitFor()
    expect(await widthOfBar()).toBeGreaterThan(before * 5)
    await pressAll(page, ['Escape'])
    await page.getByRole('button', { name: 'Whole run' }).waitFor({ state: 'detached' })
    // About as wide: the run goes on, and its line is drawn a little closer with each second.
    expect(await widthOfBar()).toBeLessThan(before * 1.5)
    await pressAll(page, ['Escape'])
    await page.getByText('Choose a span to see what the log says of it.').waitFor()
    await pressAll(page, ['Escape'])
    await page.getByRole('heading', { level: 1, name: 'Runs' }).waitFor()
    expect(problems).toEqual([])
  })

  test('an answer is taken back before it is sent, and sent when somebody goes on', async () => {
    const { address, call } = await httpYard()
    await call('POST', '/v1/jobs', { slug: 'asks', execution: 'worker', queue: 'asks' })
    await trigger(call, 'asks')
    const claimed = await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: ['asks'], lease_secs: 300 })
    const { run, run_token: key } = claimed.body.runs[0]
    const ask = async (question: object) =>
      (await call('POST', `/v1/runs/${run.id}/input-requests`, { wait: false, ...question }, { key })).body.id
    const approval = await ask({ kind: 'approval', prompt: 'Refund?', params: {} })
    const schema = { type: 'object', properties: { account: { type: 'string' } } }
    const feedback = await ask({ kind: 'feedback', prompt: 'Which account?', schema })
    const statusOf = async (id: string) => (await call('GET', `/v1/input-requests/${id}`)).body.status
    const { page, problems } = await openConsole(browser, { address })
    await page.goto(`${address}/inbox?input_request_id=${approval}`)
    await page.getByText('Refund?').first().waitFor()
    await pressAll(page, ['x'])
    await page
      .getByText(/^Refused; sent in/)
      .first()
      .waitFor()
    await pressAll(page, ['u'])
    await page.getByRole('button', { name: /Approve/ }).waitFor()
    expect(await statusOf(approval)).toBe('pending')

    await pressAll(page, ['a'])
    await page
      .getByText(/^Approved; sent in/)
      .first()
      .waitFor()
    await page.getByRole('button', { name: /Which account/ }).click()
    await page.getByLabel('account', { exact: true }).fill('bank')
    await pressAll(page, ['Control+Enter'])
    await page.getByRole('button', { name: 'Send it now' }).click()
    await until(
      () => statusOf(feedback),
      (status) => status === 'answered',
    )
    // Nobody looks at it any more, and it is sent all the same.
    await until(
      () => statusOf(approval),
      (status) => status === 'answered',
    )
    const { answer } = (await call('GET', `/v1/input-requests/${feedback}`)).body
    expect(answer).toMatchObject({ feedback: { account: 'bank' } })
    expect(problems).toEqual([])
  })

  test('somebody sees where they are signed in, and ends what is not theirs any more', async () => {
    const { node, address } = await httpYard()
    const owner = await openFirst(node)
    const email = 'ada@example.org'
    const { cookie } = await joinWithPassword(address, { inviter: owner.call, role: 'viewer', email })
    const other = await signIn(address, { email, password: PASSWORD })
    const { page, problems } = await openConsole(browser, { address, cookie })
    await page.goto(`${address}/settings`)
    const rows = page.getByRole('group', { name: 'Your sessions' }).getByRole('row')
    await rows.filter({ hasText: 'this one' }).waitFor()
    await rows.filter({ hasNotText: 'this one' }).getByRole('button', { name: 'End …' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'End it' }).click()
    await rows.getByRole('button', { name: 'End …' }).waitFor({ state: 'detached' })
    expect((await other.call('GET', '/v1/session')).status).toBe(401)

    const third = await signIn(address, { email, password: PASSWORD })
    await page.getByRole('button', { name: 'Sign out everywhere …' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in to Runyard' }).waitFor()
    expect((await third.call('GET', '/v1/session')).status).toBe(401)
    expect((await callerOf(address)('GET', '/v1/me')).status).toBe(200)
    expect(problems).toEqual([])
  })
})

async function pressAll(page: Page, keys: readonly string[]): Promise<void> {
  for (const key of keys) await page.keyboard.press(key)
}
