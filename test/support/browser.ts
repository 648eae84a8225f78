// A real browser for a test, the Chromium of the machine.
import { execFileSync } from 'node:child_process'
import { chromium } from 'playwright-core'
import { httpServer } from './local-servers.ts'

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

export const browserProgram: string | undefined = PROGRAMS.map((name) => {
  try {
    return execFileSync('which', [name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return undefined
  }
}).find((path) => path !== undefined)

/** Undefined, with the reason printed, where there is none; an error where RUNYARD_TEST_REQUIRE says that there must be. */
export const browserMissing: string | undefined = (() => {
  if (browserProgram) return undefined
  const reason = 'Chromium is not installed, so tests with a browser are skipped'
  if (process.env.RUNYARD_TEST_REQUIRE?.includes('chromium')) throw new Error(reason)
  console.warn(reason)
  return reason
})()

export type Seen = {
  /** What the browser complained of, what it asked for besides the page, and windows that something opened. */
  problems: string[]
  rows: number
  /** The style of the page was let through by its own policy: the page is 70rem wide, and not as wide as the window. */
  styled: boolean
}

/** Opens a page as it was answered, with its Content-Security-Policy. `picture` keeps a screenshot of it. */
export async function openBrowser(
  answer: { page: string; policy: string },
  { picture, dark = false }: { picture?: string; dark?: boolean } = {},
): Promise<Seen> {
  const server = await httpServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': answer.policy })
    response.end(answer.page)
  })
  const browser = await chromium.launch({ executablePath: browserProgram! })
  try {
    const page = await browser.newPage({ colorScheme: dark ? 'dark' : 'light' })
    const problems: string[] = []
    page.on('console', (message) => problems.push(message.text()))
    page.on('pageerror', (error) => problems.push(error.message))
    page.on('dialog', (dialog) => {
      problems.push(`dialog ${dialog.message()}`)
      void dialog.dismiss()
    })
    page.on('request', (request) => {
      // Browsers look for a picture of the site by themselves.
      if (request.url() !== server.url && !request.url().endsWith('/favicon.ico')) problems.push(request.url())
    })
    await page.goto(server.url)
    const rows = await page.locator('tbody tr').count()
    // Each row takes a click on everything in it that can be opened.
    for (const summary of await page.locator('summary').all()) await summary.click()
    const box = await page.locator('main').boundingBox()
    if (picture) await page.screenshot({ path: picture, fullPage: true })
    return { problems, rows, styled: box?.width === 1120 }
  } finally {
    await browser.close()
  }
}
