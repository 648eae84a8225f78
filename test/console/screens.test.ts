// Every screen in a real browser, empty and full, in both themes and on a narrow window: nothing is broken, refused by the
// policy of the page, asked of another host, wider than the window, or hidden from a screen reader.
import axe, { type AxeResults } from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { browserMissing } from '../support/browser.ts'
import { addFailingJob, failRuns } from '../support/builders/failing-runs.ts'
import { callerOf, httpYard } from '../support/http-yard.ts'
import { launchBrowser, openConsole, requireConsole } from './signed-in.ts'

/** It would act if any of it were taken for markup. */
const HOSTILE = '<img src=x onerror=alert(1)><script>alert(2)</script>'
const SCREENS = [
  '/',
  '/runs',
  '/failures',
  '/inbox',
  '/agents',
  '/events',
  '/jobs',
  '/usage',
  '/operations',
  '/settings',
] as const

describe.skipIf(browserMissing)('the screens of the console', { timeout: 900_000 }, () => {
  let browser: Browser
  beforeAll(async () => {
    requireConsole()
    browser = await launchBrowser()
  }, 300_000)
  afterAll(() => browser?.close())

  test('say what would be there when there is nothing yet, dark and narrow', async () => {
    const { address } = await httpYard()
    const { page, problems } = await openConsole(browser, { address, dark: true, width: 390 })
    for (const path of SCREENS) problems.push(...(await lookAt(page, address + path)))
    expect(problems).toEqual([])
  })

  test('show a hostile run as text', async () => {
    const { address } = await httpYard()
    const { run_id, agent } = await fill(address)
    const { page, problems } = await openConsole(browser, { address })
    const pages = [
      '/',
      '/runs',
      '/failures',
      '/inbox',
      `/runs/${run_id}`,
      `/runs/${run_id}?tab=people`,
      `/jobs/${JOB}?tab=settings`,
      `/agents/${encodeURIComponent(agent)}?tab=policy`,
    ]
    for (const path of pages) problems.push(...(await lookAt(page, address + path)))
    problems.push(...(await lookAt(page, `${address}/runs/${run_id}?tab=data`)))
    await page.getByText(HOSTILE).first().waitFor()
    expect(problems).toEqual([])
  })
})

const JOB = 'hostile-job'

async function fill(address: string): Promise<{ run_id: string; agent: string }> {
  const call = callerOf(address)
  const agent = 'bot/<b>.x'
  await call('POST', '/v1/jobs', {
    slug: JOB,
    execution: 'worker',
    cron: '0 3 * * *',
    payload_schema: { type: 'object' },
  })
  await call('PUT', `/v1/agents/${encodeURIComponent(agent)}/policy`, {
    mode: 'observe',
    policy: { blocked_tools: ['rm'] },
  })
  const payload = `{"payload": {"text": ${JSON.stringify(HOSTILE)}}, "agent_id": ${JSON.stringify(agent)}, "tags": {"<i>": "a:b"}}`
  const { body: run } = await call('POST', `/v1/jobs/${JOB}/runs`, payload)
  const { body: claimed } = await call('POST', '/v1/workers/claim', { worker_id: '<u>w</u>', queues: ['default'] })
  const { run_token: key } = claimed.runs[0]
  await call('POST', `/v1/runs/${run.id}/log`, { message: HOSTILE, level: 'error' }, { key })
  await call(
    'POST',
    `/v1/runs/${run.id}/tool-call`,
    { tool_name: HOSTILE, input: {}, output: {}, status: 'failed' },
    { key },
  )
  await call(
    'POST',
    `/v1/runs/${run.id}/input-requests`,
    { kind: 'approval', prompt: HOSTILE, params: { a: 1 } },
    { key },
  )
  await addFailingJob(call, 'fails')
  await failRuns(call, 'fails', [{ error: HOSTILE, error_code: HOSTILE }])
  return { run_id: run.id, agent }
}

/** Opens it, waits until it has loaded, and says what is wrong with it. */
async function lookAt(page: Page, url: string): Promise<string[]> {
  await page.goto(url)
  await page.locator('h1').first().waitFor()
  await page.locator('[role="status"][aria-label^="Loading"]').first().waitFor({ state: 'detached' })
  const alerts = await page.locator('main [role="alert"]').allTextContents()
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate<AxeResults>('axe.run()')
  const unclear = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 200)).join(' | ')}`,
  )
  const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
  const wide = overflow > 0 ? [`is ${overflow} px wider than the window`] : []
  return [...alerts, ...unclear, ...wide].map((problem) => `${new URL(url).pathname} ${problem}`)
}
