// What people do in the console, in a real browser: by keyboard, two at once, and while a node restarts.
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { browserMissing } from '../support/browser.ts'
import { addFailingJob, failRuns } from '../support/builders/failing-runs.ts'
import { type Call, callerOf, httpYard, openNode, trigger, until, untilState } from '../support/http-yard.ts'
import { joinWithPassword, openFirst } from '../support/people.ts'
import { launchBrowser, openConsole, requireConsole } from './signed-in.ts'

describe.skipIf(browserMissing)('in the console', { timeout: 300_000 }, () => {
  let browser: Browser
  beforeAll(async () => {
    requireConsole()
    browser = await launchBrowser()
  }, 300_000)
  afterAll(() => browser?.close())

  test('a failed run is found, explained and redriven by keyboard alone', async () => {
    const { address, call } = await httpYard()
    await addFailingJob(call, 'mail')
    const [run] = await failRuns(call, 'mail', [{ error: 'Mailbox 4711 is full', error_code: 'mailbox_full' }])
    const { page, problems } = await openConsole(browser, { address })
    await page.goto(address)
    await heading(page, 'Home')
    await page.keyboard.press('g')
    await page.keyboard.press('f')
    await heading(page, 'Failures')
    await page.getByText('Mailbox # is full').first().waitFor()
    await page.keyboard.press('o')
    await heading(page, 'Runs')
    await page.locator('a[data-row]').first().waitFor()
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    const why = page.getByRole('region', { name: 'Why it stands here' })
    await why.getByText('Mailbox 4711 is full').waitFor()
    await page.keyboard.press('.')
    await untilState(call, run!, ['queued'])
    expect(problems).toEqual([])
  })

  test('all runs of a group are redriven after a look at how many there are', async () => {
    const { address, call } = await httpYard()
    await addFailingJob(call, 'mail')
    const [first, , other] = await failRuns(call, 'mail', [
      { error: 'Mailbox 1 is full' },
      { error: 'Mailbox 2 is full' },
      { error: 'No such user' },
    ])
    const { page } = await openConsole(browser, { address })
    await page.goto(`${address}/failures`)
    await page.getByRole('button', { name: /Mailbox # is full/ }).click()
    await page.getByRole('button', { name: 'Redrive all …' }).click()
    await page.getByText('2 runs').waitFor()
    await page.getByRole('list', { name: 'By state' }).getByText('2').waitFor()
    await page.getByRole('button', { name: 'Redrive them' }).click()
    await page.getByRole('button', { name: 'Undo' }).click()
    expect((await call('GET', '/v1/operations')).body.data).toEqual([])
    await page.getByRole('button', { name: 'Redrive them' }).click()
    await page.getByText('It is under way').waitFor()
    await untilState(call, first!, ['queued'])
    expect((await call('GET', `/v1/runs/${other}`)).body.status).toBe('dead_letter')
  })

  test('a run is replayed with another payload', async () => {
    const { address, call } = await httpYard()
    await addFailingJob(call, 'mail')
    const [run] = await failRuns(call, 'mail', [{ error: 'no' }])
    const { page } = await openConsole(browser, { address })
    await page.goto(`${address}/runs/${run}`)
    await heading(page, /mail/)
    await page.keyboard.press('Shift+R')
    await page.getByRole('textbox', { name: 'Payload' }).fill('{"to": "ada"}')
    await page.getByText('Changes the payload.').waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Replay', exact: true }).click()
    await page.waitForURL((url) => url.pathname.startsWith('/runs/') && !url.pathname.endsWith(run!))
    const replayed = new URL(page.url()).pathname.split('/').at(-1)!
    const { body } = await call('GET', `/v1/runs/${replayed}`)
    expect(body).toMatchObject({ replayed_from: run, payload: { to: 'ada' } })
  })

  test('a question is answered by a key, and another by a click', async () => {
    const { address, call } = await httpYard()
    const [first, second] = [await asked(call, 'First?'), await asked(call, 'Second?')]
    const { page } = await openConsole(browser, { address })
    await page.goto(`${address}/inbox?input_request_id=${first}`)
    await page.getByText('First?').first().waitFor()
    await page.keyboard.press('a')
    expect(await answerTo(call, first)).toMatchObject({ approved: true })
    await page.goto(`${address}/inbox?input_request_id=${second}`)
    await page.getByRole('button', { name: /Refuse/ }).click()
    await page.getByRole('button', { name: 'Send it now' }).click()
    expect(await answerTo(call, second)).toMatchObject({ approved: false })
  })

  test('of two people who answer at once, the second sees who was first, and what they said', async () => {
    const { node, address } = await httpYard()
    const owner = await openFirst(node)
    const people = await Promise.all(
      ['ada', 'bob'].map((name) =>
        joinWithPassword(address, { inviter: owner.call, role: 'approver', email: `${name}@example.org` }),
      ),
    )
    const question = await asked(callerOf(address), 'May I?')
    const pages = await Promise.all(
      people.map(async ({ cookie }) => (await openConsole(browser, { address, cookie })).page),
    )
    for (const page of pages) {
      await page.goto(`${address}/inbox?input_request_id=${question}`)
      await page.getByText('May I?').first().waitFor()
    }
    const [ada, bob] = pages as [Page, Page]
    // The second does not follow what happens, so that the question still stands open in front of them.
    await bob.keyboard.press('l')
    await ada.getByRole('button', { name: /Approve/ }).click()
    await ada.getByRole('button', { name: 'Send it now' }).click()
    expect(await answerTo(callerOf(address), question)).toMatchObject({ approved: true })
    await bob.getByRole('button', { name: /Refuse/ }).click()
    await bob.getByRole('button', { name: 'Send it now' }).click()
    const { answered_by } = (await owner.call('GET', `/v1/input-requests/${question}`)).body
    expect(answered_by.name).toMatch(/ada/i)
    await bob.getByText(`${answered_by.name} approved it`).waitFor()
    expect(await answerTo(callerOf(address), question)).toMatchObject({ approved: true })
  })

  test('a run is watched while its node restarts, and nothing is missed', async () => {
    const { node, url, address, call } = await httpYard()
    const log = (message: string) => call('POST', '/v1/events', { run_id: 'theirs', type: 'note', message })
    for (const message of ['one', 'two']) await log(message)
    const { page } = await openConsole(browser, { address })
    await page.goto(`${address}/runs/theirs?tab=log`)
    await page.getByText('two', { exact: true }).waitFor()
    await node.close()
    const again = await openNode(url, { PORT: new URL(address).port })
    expect(again.address).toBe(address)
    for (const message of ['three', 'four']) await log(message)
    await page.getByText('four', { exact: true }).waitFor()
    const places = await Promise.all(
      ['one', 'two', 'three', 'four'].map(
        async (message) => (await page.getByText(message, { exact: true }).boundingBox())?.y ?? Number.NaN,
      ),
    )
    expect(places).toEqual(places.toSorted((a, b) => a - b))
    expect(places).not.toContain(Number.NaN)
  })
})

const heading = (page: Page, name: string | RegExp) => page.getByRole('heading', { level: 1, name }).waitFor()

/** A run that asks for approval; the id of its question. */
async function asked(call: Call, prompt: string): Promise<string> {
  await call('POST', '/v1/jobs', { slug: 'asks', execution: 'worker', queue: 'asks' })
  const run = await trigger(call, 'asks')
  const claimed = await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: ['asks'], lease_secs: 300 })
  const { run_token: key } = claimed.body.runs[0]
  const question = await call(
    'POST',
    `/v1/runs/${run.id}/input-requests`,
    { kind: 'approval', prompt, params: {} },
    { key },
  )
  return question.body.id
}

const answerTo = async (call: Call, id: string) =>
  (
    await until(
      () => call('GET', `/v1/input-requests/${id}`),
      ({ body }) => body.status === 'answered',
    )
  ).body.answer
