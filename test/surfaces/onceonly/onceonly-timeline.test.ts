import { expect, test } from 'vitest'
import { timelinePage } from '#dialects/onceonly/timeline.ts'
import { POLICY } from '#dialects/onceonly/timeline-style.ts'
import { browserMissing, openBrowser } from '../../support/browser.ts'
import { makeReports, onceYard } from '../../support/once-yard.ts'

const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8'
const html = { headers: { accept: BROWSER } }

test('a browser gets an HTML page, and a program gets JSON', async () => {
  const { call } = await onceYard()
  await call('POST', '/events', { run_id: 'r', type: 'run_started', status: 'in_progress' })
  const kindOf = async (accept: string) =>
    (await call('GET', '/runs/r', undefined, { headers: { accept } })).headers.get('content-type')?.split(';')[0]
  for (const accept of [
    BROWSER,
    'text/html',
    'text/html, application/json;q=0.9',
    'application/json;q=0.1, text/html;q=0.2',
  ])
    expect(await kindOf(accept), accept).toBe('text/html')
  for (const accept of [
    '*/*',
    'application/json',
    'application/json, text/html',
    'application/json, text/html;q=0.5',
    'text/html;q=0',
    '',
  ])
    expect(await kindOf(accept), accept).toBe('application/json')
  const page = await call('GET', '/runs/r', undefined, html)
  expect(page.status).toBe(200)
  expect(page.headers.get('vary')).toBe('Accept')
  expect(page.headers.get('content-security-policy')).toBe(POLICY)
  expect(page.headers.get('x-content-type-options')).toBe('nosniff')
  expect(page.headers.get('content-disposition')).toBeNull()
})

test('the timeline page shows steps, tools, durations and failures', async () => {
  const { call } = await onceYard()
  const run = { run_id: 'r', agent_id: 'support_bot', step: 'step_1', tool: 'send_email' }
  await call('POST', '/events', { run_id: 'r', type: 'run_started', ts: 100, lease_id: 'lease_1', data: { key: 'k1' } })
  await call('POST', '/events', { ...run, type: 'tool_call', ts: 101, status: 'start' })
  await call('POST', '/events', {
    ...run,
    type: 'tool_result',
    ts: 102.5,
    status: 'error',
    duration_ms: 1500,
    message: 'no such box',
  })
  await call('POST', '/events', { run_id: 'r', type: 'run_finished', ts: 103, status: 'failed', model: 'm-1' })
  const { body } = await call('GET', '/runs/r', undefined, html)
  for (const text of [
    'tool send_email',
    'step step_1',
    'agent support_bot',
    'lease lease_1',
    '1.50 s',
    '2.50 s',
    'no such box',
    '&quot;k1&quot;',
    '&quot;m-1&quot;',
  ])
    expect(body).toContain(text)
  expect(body).toMatch(/<b>4<\/b> events.*<b>2<\/b> failures/s)
  expect(body.match(/<tr class="bad">/g)).toHaveLength(2)
  expect(body.match(/<rect /g)).toHaveLength(1)
})

const HOSTILE = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "'; onclick='alert(1)",
  '</style></title></pre><script>',
  'javascript:alert(1)',
  '&lt;b&gt; &amp; &#39;',
  '{{x}} %3Cscript%3E \u2028 \u202e',
]

test('text from clients is escaped on the timeline page, in every field', async () => {
  const { call } = await onceYard()
  for (const text of HOSTILE) {
    const fields = { status: text, step: text, tool: text, req_id: text, lease_id: text, agent_id: text, message: text }
    // An id takes no line separators.
    const run = text.replaceAll('\u2028', '')
    const told = { run_id: run, type: text, ...fields, data: { [text]: [text] }, [text]: text }
    expect((await call('POST', '/events', told)).status).toBe(200)
    const { body } = await call('GET', `/runs/${encodeURIComponent(run)}`, undefined, html)
    const tags = body.match(/<\/?[a-z][^>]*>/gi)!.map((tag: string) => tag.replace(/^<\/?([a-z0-9]+).*$/is, '$1'))
    expect(tags.filter((tag: string) => !TAGS.has(tag))).toEqual([])
    expect(body).not.toMatch(/<[^>]+\son[a-z]+=/i)
    expect(body).not.toMatch(/(?:href|src)="?\s*javascript/i)
    expect(shownText(body)).toContain(`tool ${text}`)
  }
})

const TAGS: ReadonlySet<string> = new Set(
  'html head meta title style body main h1 p b span div table thead tr th tbody td time br svg rect details summary pre nav a'.split(
    ' ',
  ),
)
const shownText = (page: string) =>
  page
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')

test('a timeline page of 2,000 events is rendered quickly, and links to the pages before and after', async () => {
  const { call, url } = await onceYard()
  await makeReports(url, 'long', 4_500)
  const startMs = performance.now()
  const { body } = await call('GET', '/runs/long?limit=2000&offset=2000', undefined, html)
  expect(performance.now() - startMs).toBeLessThan(3_000)
  expect(body.match(/<tr/g)).toHaveLength(2_001)
  expect(body).toContain('<a href="?limit=2000&amp;offset=0" rel="prev">')
  expect(body).toContain('<a href="?limit=2000&amp;offset=4000" rel="next">')
  expect(body).toContain('2001 to 4000')
})

test('an unknown run is an empty timeline page', async () => {
  const { call } = await onceYard()
  const page = await call('GET', '/runs/nobody', undefined, html)
  expect([page.status, page.body.includes('There is nothing here.')]).toEqual([200, true])
  expect(timelinePage({ runId: '', total: 0, events: [], limit: 200, offset: 0 })).toBeDefined()
})

test.skipIf(browserMissing)('a browser shows the timeline page without a script, a request or an error', async () => {
  const { call } = await onceYard()
  for (const text of HOSTILE)
    await call('POST', '/events', {
      run_id: 'r',
      type: 'tool_result',
      status: 'error',
      tool: text,
      message: text,
      duration_ms: 5,
      data: { text },
    })
  const response = await call('GET', '/runs/r', undefined, html)
  const seen = await openBrowser({ page: response.body, policy: response.headers.get('content-security-policy')! })
  expect(seen.problems).toEqual([])
  expect(seen.rows).toBe(HOSTILE.length)
  expect(seen.styled).toBe(true)
})
