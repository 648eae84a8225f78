// The built console, and a browser that is signed in to it.
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { onTestFinished } from 'vitest'
import { buildConsole, isConsoleCurrent } from '../../scripts/need-console.ts'
import { browserProgram } from '../support/browser.ts'
import { KEY } from '../support/http-yard.ts'

/** Builds the console if its sources are newer. */
export function requireConsole(): void {
  if (!isConsoleCurrent() && !buildConsole()) throw new Error('the console could not be built')
}

export const SLOW_MS = 60_000

const ARGUMENTS = [
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
]

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: browserProgram!, args: ARGUMENTS, chromiumSandbox: false })
}

export type Opened = {
  page: Page
  context: BrowserContext
  /** What the browser complained of, and what it asked of other hosts. */
  problems: string[]
}

export type OpenOptions = { address: string; key?: string; dark?: boolean; width?: number; cookie?: string }

/** A page of the console in a session of its own, opened with a key; not signed in without one. */
export async function openConsole(
  browser: Browser,
  { address, key = KEY, dark = false, width = 1440, cookie }: OpenOptions,
): Promise<Opened> {
  const context = await browser.newContext({
    colorScheme: dark ? 'dark' : 'light',
    viewport: { width, height: 900 },
    reducedMotion: 'reduce',
  })
  onTestFinished(() => context.close())
  context.setDefaultTimeout(SLOW_MS)
  if (cookie !== undefined) {
    const [name = '', value = ''] = cookie.split('=')
    await context.addCookies([{ name, value, url: address, httpOnly: true, sameSite: 'Strict' }])
  } else if (key !== '') {
    const answer = await context.request.post(`${address}/v1/session`, {
      data: { api_key: key },
      headers: { origin: address },
    })
    if (answer.status() !== 201) throw new Error(`signing in was answered ${answer.status()}: ${await answer.text()}`)
  }
  const page = await context.newPage()
  const problems: string[] = []
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('console', (message) => {
    if (/Content.Security.Policy|Refused to/i.test(message.text())) problems.push(message.text())
  })
  page.on('dialog', (dialog) => {
    problems.push(`dialog ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(address)) problems.push(`asked ${request.url()}`)
  })
  return { page, context, problems }
}
