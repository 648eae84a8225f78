// What a handler is sent beside the payload: an id of the call, what went wrong before, and the job's own headers.
import { expect, test } from 'vitest'
import { callerOf, httpYard, openNode, until, untilState } from '../../support/http-yard.ts'
import { httpServer } from '../../support/local-servers.ts'

type Seen = { raw: [name: string, value: string][]; headers: Record<string, string> }

/** An endpoint that answers with the next of these statuses, the last one for ever; 0 does not answer. */
async function endpoint(...statuses: number[]) {
  const seen: Seen[] = []
  const { url } = await httpServer((request, response) => {
    const { rawHeaders, headers } = request
    const raw = rawHeaders.flatMap((name, index) =>
      index % 2 === 0 ? [[name.toLowerCase(), rawHeaders[index + 1]!] as [string, string]] : [],
    )
    const status = statuses[Math.min(seen.push({ raw, headers: headers as Seen['headers'] }), statuses.length) - 1]!
    if (status > 0) response.writeHead(status).end()
  })
  return { url, seen }
}

const job = (slug: string, url: string, more: object = {}) => ({
  slug,
  execution: 'http',
  endpoint_url: url,
  retry_strategy: 'fixed',
  retry_initial_delay_secs: 0,
  ...more,
})

const idsOf = (seen: Seen[]) => seen.map(({ headers }) => headers['webhook-id'])

test('every dispatch has its own webhook-id: a retry, a redrive and a restart are not repeats', async () => {
  const { call } = await httpYard()
  const { url, seen } = await endpoint(500, 500, 200, 0, 200)
  await call('POST', '/v1/jobs', job('j', url, { max_attempts: 2 }))
  const redriven = await call('POST', '/v1/jobs/j/runs', {})
  await untilState(call, redriven.body.id, ['dead_letter'])
  expect((await call('POST', `/v1/runs/${redriven.body.id}/dlq-replay`)).status).toBe(200)
  await untilState(call, redriven.body.id, ['completed'])
  const restarted = await call('POST', '/v1/jobs/j/runs', {})
  await until(
    async () => seen.length,
    (n) => n === 4,
  )
  expect((await call('POST', `/v1/runs/${restarted.body.id}/restart`)).status).toBe(200)
  await untilState(call, restarted.body.id, ['completed'])
  expect(seen.map(({ headers }) => headers['x-attempt'])).toEqual(['1', '2', '1', '1', '1'])
  expect(new Set(idsOf(seen)).size).toBe(5)
})

test('an attempt that a stopping node returns is dispatched with a new webhook-id', async () => {
  const { call, node, url: database } = await httpYard()
  const { url, seen } = await endpoint(0, 200)
  await call('POST', '/v1/jobs', job('j', url))
  const run = await call('POST', '/v1/jobs/j/runs', {})
  await until(
    async () => seen.length,
    (n) => n === 1,
  )
  await node.close()
  await untilState(callerOf((await openNode(database)).address), run.body.id, ['completed'])
  expect(seen.map(({ headers }) => headers['x-attempt'])).toEqual(['1', '1'])
  expect(new Set(idsOf(seen)).size).toBe(2)
})

test('headers that cannot be sent are refused when a job is created or updated, by name and without the value', async () => {
  const { call } = await httpYard()
  const { url } = await endpoint(200)
  const cases: [headers: Record<string, string>, told: string][] = [
    [{ 'Content-Length': '5' }, '"Content-Length": it belongs to the connection'],
    [{ HOST: 'internal' }, '"HOST": it belongs to the connection'],
    [{ 'X-Secret': 'hunter2hunter2\r\nX-Other: 1' }, '"X-Secret": its value has a character'],
    [{ 'x secret': 'a' }, '"x secret": it is not a valid header name'],
    [{ 'X-Team': 'a', 'x-team': 'b' }, '"x-team": it is there twice'],
  ]
  await call('POST', '/v1/jobs', job('fine', url))
  for (const [endpoint_headers, told] of cases) {
    const made = await call('POST', '/v1/jobs', job('bad', url, { endpoint_headers }))
    const changed = await call('PATCH', '/v1/jobs/fine', { endpoint_headers })
    for (const reply of [made, changed]) {
      expect(reply.status, told).toBe(422)
      expect(reply.body.error.details.fields).toEqual([
        { field: 'endpoint_headers', message: expect.stringContaining(told) },
      ])
      expect(reply.body.error.message).not.toContain('hunter2')
    }
  }
})

test("a header is sent once, and the job's headers never replace ours, in any case", async () => {
  const { call } = await httpYard()
  const { url, seen } = await endpoint(200)
  const endpoint_headers = {
    'Webhook-Id': 'mine',
    'X-Run-Id': 'mine',
    'CONTENT-TYPE': 'text/plain',
    'X-Previous-Error': 'mine',
    'X-Team': 'blue',
  }
  await call('POST', '/v1/jobs', job('j', url, { endpoint_headers }))
  const run = await call('POST', '/v1/jobs/j/runs', {})
  await untilState(call, run.body.id, ['completed'])
  const [{ raw, headers } = { raw: [], headers: {} as Record<string, string> }] = seen
  const names = raw.map(([name]) => name)
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
  expect(headers).toMatchObject({ 'x-team': 'blue', 'x-run-id': run.body.id, 'content-type': 'application/json' })
  expect(headers).not.toHaveProperty('x-previous-error')
  expect(Object.values(headers)).not.toContain('mine')
})

test('X-Previous-Error is truncated between characters, never inside an escape', async () => {
  const { call } = await httpYard()
  const errors: string[] = []
  const { url } = await httpServer((request, response) => {
    const before = request.headers['x-previous-error']
    if (before !== undefined) errors.push(String(before))
    // One more character before the emojis each time: the cut comes at every place of an escape and of a pair.
    const said = `${'x'.repeat(errors.length)}${'😀'.repeat(400)}`
    response.writeHead(errors.length < 12 ? 500 : 200).end(said)
  })
  await call('POST', '/v1/jobs', job('j', url, { max_attempts: 20 }))
  const run = await call('POST', '/v1/jobs/j/runs', {})
  await untilState(call, run.body.id, ['completed'])
  expect(errors).toHaveLength(12)
  for (const error of errors) {
    expect(error.length).toBeLessThanOrEqual(1024)
    expect(error.length).toBeGreaterThan(1000)
    const read = JSON.parse(`"${error}"`) as string
    expect(read.isWellFormed(), error.slice(-24)).toBe(true)
  }
})

test('a Retry-After of zero or in the past does not shorten the delay of the policy', async () => {
  const { call } = await httpYard()
  for (const [slug, retryAfter] of [
    ['zero', '0'],
    ['past', 'Sun, 06 Nov 1994 08:49:37 GMT'],
  ] as const) {
    const { url } = await httpServer((_request, response) =>
      response.writeHead(503, { 'retry-after': retryAfter }).end(),
    )
    await call('POST', '/v1/jobs', job(slug, url, { retry_initial_delay_secs: 60 }))
    const run = await call('POST', `/v1/jobs/${slug}/runs`, {})
    const waiting = await untilState(call, run.body.id, ['delayed'])
    expect(Date.parse(waiting.body.next_retry_at) - Date.now(), slug).toBeGreaterThan(50_000)
  }
})
