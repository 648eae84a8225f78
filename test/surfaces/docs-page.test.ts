// The page at /docs in a real browser: it shows the API, and asks nobody but this server.
import { chromium } from 'playwright-core'
import { expect, test } from 'vitest'
import { browserMissing, browserProgram } from '../support/browser.ts'
import { httpYard } from '../support/http-yard.ts'

test.skipIf(browserMissing)(
  'the page at /docs shows the API within its content security policy',
  { timeout: 60_000 },
  async () => {
    const { address } = await httpYard()
    const browser = await chromium.launch({ executablePath: browserProgram! })
    try {
      const page = await browser.newPage()
      const elsewhere: string[] = []
      const problems: string[] = []
      page.on('request', (request) => {
        if (!/^(?:data|blob):/.test(request.url()) && !request.url().startsWith(address)) elsewhere.push(request.url())
      })
      page.on('pageerror', (error) => problems.push(error.message))
      page.on('console', (message) => {
        if (/Content Security Policy|Refused to/.test(message.text())) problems.push(message.text())
      })
      await page.goto(`${address}/docs/`)
      await page.getByText('Create a job.').first().waitFor({ timeout: 30_000 })
      expect(elsewhere).toEqual([])
      expect(problems).toEqual([])
    } finally {
      await browser.close()
    }
  },
)
