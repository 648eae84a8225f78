// What handlers that were written for Strait are sent, and what becomes of a run whatever they answer: real endpoints,
// called by a real node.
import { createHmac } from 'node:crypto'
import http from 'node:http'
import { describe, expect, test } from 'vitest'
import { type Call, type Reply, until } from '../../support/http-yard.ts'
import { closedPort, listen, tcpServer } from '../../support/local-servers.ts'
import { straitYard } from '../../support/strait-yard.ts'

type Seen = { headers: Record<string, string>; body: string; closed: boolean }
type Answer = (respond: (status: number, body?: string, headers?: Record<string, string>) => void, seen: Seen) => void

/** An endpoint whose answers are given one after the other; the last one stays. */
async function endpoint(...answers: Answer[]) {
  const seen: Seen[] = []
  // Go's server, which Strait's handlers are behind, reads headers of a mebibyte.
  const server = http.createServer({ maxHeaderSize: 1024 * 1024 }, async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const one: Seen = {
      headers: request.headers as Record<string, string>,
      body: Buffer.concat(chunks).toString(),
      closed: false,
    }
    seen.push(one)
    response.on('close', () => {
      one.closed = !response.writableFinished
    })
    const answer = answers[Math.min(seen.length, answers.length) - 1]!
    answer((status, body = '', headers = {}) => response.writeHead(status, headers).end(body), one)
  })
  const { url } = await listen(server, 'http')
  return { url, seen }
}

const job = (slug: string, url: string, more: object = {}) => ({
  project_id: 'default',
  name: slug,
  slug,
  endpoint_url: url,
  retry_strategy: 'custom',
  retry_delays_secs: [0],
  ...more,
})

async function triggered(call: Call, definition: { slug: string }, body: object = {}): Promise<string> {
  const made = await call('POST', '/v1/jobs', definition)
  expect([made.status, made.body.error]).toEqual([201, undefined])
  const run = await call('POST', `/v1/jobs/${definition.slug}/trigger`, body)
  expect([run.status, run.body.error]).toEqual([201, undefined])
  return run.body.id
}

const over = (call: Call, runId: string, state: string, ms?: number): Promise<Reply> =>
  until(
    () => call('GET', `/v1/runs/${runId}`),
    (reply) => reply.body.status === state,
    ms,
  )

const SECRET = 'a secret of sixteen or more'

test("a job with a secret is sent the bare payload with Strait's signature", async () => {
  const { call } = await straitYard()
  const { url, seen } = await endpoint((respond) => respond(200, '{"sum":3}'))
  const payload = { b: 'größer ✓', a: [1, 2] }
  const runId = await triggered(call, job('sum', url, { endpoint_signing_secret: SECRET }), { payload })
  expect((await over(call, runId, 'completed')).body).toMatchObject({ result: { sum: 3 }, attempt: 1 })
  const [{ headers, body } = { headers: {} as Record<string, string>, body: '' }] = seen
  expect(JSON.parse(body)).toEqual(payload)
  const timestamp = headers['x-strait-timestamp']!
  expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(30)
  const digest = createHmac('sha256', SECRET).update(`${timestamp}.${body}`).digest('hex')
  expect(headers['x-strait-signature']).toBe(`v1=${digest}`)
  const { body: made } = await call('GET', '/v1/jobs/sum')
  expect(headers).toMatchObject({
    'content-type': 'application/json',
    'x-run-id': runId,
    'x-job-id': made.id,
    'x-attempt': '1',
    'x-run-token': expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
    traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/),
  })
  for (const absent of ['webhook-id', 'webhook-signature', 'x-previous-error', 'x-last-checkpoint'])
    expect(headers).not.toHaveProperty(absent)
})

test('a secret can be changed and removed; without one nothing is signed', async () => {
  const { call } = await straitYard()
  const { url, seen } = await endpoint((respond) => respond(200))
  const names = (index: number) =>
    Object.keys(seen[index]!.headers).filter((name) => /signature|strait|webhook/.test(name))
  await over(call, await triggered(call, job('plain', url), { payload: 1 }), 'completed')
  expect(names(0)).toEqual([])
  // Nodes remember a job for some seconds, so what a change does to it is seen on jobs that did not run before.
  await call('POST', '/v1/jobs', job('signed', url, { webhook_secret: SECRET }))
  await call('PATCH', '/v1/jobs/signed', { endpoint_signing_secret: `${SECRET}!` })
  const { body: run } = await call('POST', '/v1/jobs/signed/trigger', { payload: 1 })
  await over(call, run.id, 'completed')
  const { 'x-strait-timestamp': timestamp, 'x-strait-signature': signature } = seen[1]!.headers
  expect(signature).toBe(`v1=${createHmac('sha256', `${SECRET}!`).update(`${timestamp}.1`).digest('hex')}`)
  await call('POST', '/v1/jobs', job('bare', url, { webhook_secret: SECRET }))
  await call('PATCH', '/v1/jobs/bare', { webhook_secret: '' })
  const { body: bare } = await call('POST', '/v1/jobs/bare/trigger', { payload: 1 })
  await over(call, bare.id, 'completed')
  expect(names(2)).toEqual([])
})

test('a retry is sent the previous error, and the last checkpoint of up to 64 KiB', async () => {
  const { call, withKey } = await straitYard()
  const keep =
    (text: string): Answer =>
    async (respond, { headers }) => {
      const at = `/sdk/v1/runs/${headers['x-run-id']}/checkpoint`
      const kept = await withKey(headers['x-run-token']!)('POST', at, { state: { höhe: text } })
      respond(kept.status === 201 ? 500 : 400, 'out of\nluck')
    }
  const { url, seen } = await endpoint(keep('x'.repeat(60_000)), keep('x'.repeat(65_536)), (respond) => respond(200))
  const runId = await triggered(call, job('resumes', url, { endpoint_signing_secret: SECRET }))
  await over(call, runId, 'completed')
  const [first, second, third] = seen.map((it) => it.headers)
  expect(first).not.toHaveProperty('x-last-checkpoint')
  expect(first).not.toHaveProperty('x-previous-error')
  expect(JSON.parse(second!['x-last-checkpoint']!)).toEqual({ höhe: 'x'.repeat(60_000) })
  expect(Date.parse(second!['x-checkpoint-at']!)).toBeGreaterThan(Date.now() - 60_000)
  expect(second).toMatchObject({ 'x-attempt': '2', 'x-previous-error': expect.stringContaining('500') })
  // Beyond that it is fetched with the run's token.
  expect(third).not.toHaveProperty('x-last-checkpoint')
  expect(third!['x-checkpoint-at']).toEqual(expect.any(String))
})

test('a result that is not JSON is stored as text', async () => {
  const { call } = await straitYard()
  const { url } = await endpoint((respond) => respond(200, 'all <done> "well"', { 'content-type': 'text/plain' }))
  const runId = await triggered(call, job('text', url))
  expect((await over(call, runId, 'completed')).body.result).toBe('all <done> "well"')
})

test("a 202 hands the run over: the handler completes it later, with its token and Strait's own call", async () => {
  const { call, withKey } = await straitYard()
  const { url, seen } = await endpoint((respond) => respond(202))
  const runId = await triggered(call, job('later', url))
  await until(
    async () =>
      (await call('GET', `/v1/runs/${runId}/events`)).body.map((it: { message: string }) => JSON.stringify(it)),
    (events) => events.some((event: string) => event.includes('handed_over')),
  )
  expect((await call('GET', `/v1/runs/${runId}`)).body.status).toBe('executing')
  const own = withKey(seen[0]!.headers['x-run-token']!)
  const done = await own('POST', `/sdk/v1/runs/${runId}/complete`, { result: { late: true } })
  expect(done.status).toBe(200)
  expect((await over(call, runId, 'completed')).body).toMatchObject({ result: { late: true }, attempt: 1 })
  expect(seen).toHaveLength(1)
})

test('a run that waited for an event continues with its payload, which its handler gets as the last checkpoint', async () => {
  const { call, withKey } = await straitYard()
  const { url, seen } = await endpoint(
    async (respond, { headers }) => {
      const own = withKey(headers['x-run-token']!)
      await own('POST', `/sdk/v1/runs/${headers['x-run-id']}/wait-for-event`, { event_key: 'approved' })
      // The run waits by now: this answer comes too late to complete it.
      respond(200, '"too early"')
    },
    (respond) => respond(200, '"approved"'),
  )
  const runId = await triggered(call, job('approval', url))
  await over(call, runId, 'waiting')
  expect((await call('POST', '/v1/events/approved/send', { payload: { by: 'Ada' } })).status).toBe(200)
  expect((await over(call, runId, 'completed')).body).toMatchObject({ result: 'approved', attempt: 1 })
  expect(seen).toHaveLength(2)
  expect(JSON.parse(seen[1]!.headers['x-last-checkpoint']!)).toEqual({ by: 'Ada' })
  expect(seen[1]!.headers).not.toHaveProperty('x-previous-error')
})

test('408, 429 and 500 are retried, and the run keeps its id', async () => {
  const { call } = await straitYard()
  const { url, seen } = await endpoint(
    (respond) => respond(408),
    (respond) => respond(429),
    (respond) => respond(500, 'oops'),
    (respond) => respond(200, '1'),
  )
  const runId = await triggered(call, job('flaky', url, { max_attempts: 5 }))
  expect((await over(call, runId, 'completed')).body).toMatchObject({ attempt: 4, result: 1 })
  expect(seen.map(({ headers }) => [headers['x-run-id'], headers['x-attempt']])).toEqual(
    ['1', '2', '3', '4'].map((attempt) => [runId, attempt]),
  )
})

test('Retry-After is honoured, up to the longest delay of the run', async () => {
  const { call } = await straitYard()
  const { url } = await endpoint((respond) => respond(429, '', { 'retry-after': '120' }))
  const wait = async (slug: string, body: object) => {
    const runId = await triggered(call, job(slug, url), body)
    const { body: run } = await over(call, runId, 'delayed')
    return (Date.parse(run.next_retry_at) - Date.now()) / 1000
  }
  const asked = await wait('busy', {})
  expect(asked).toBeGreaterThan(100)
  expect(asked).toBeLessThanOrEqual(120)
  expect(await wait('capped', { retry_max_delay_secs: 30 })).toBeLessThanOrEqual(30)
})

test('a 400 is a dead letter immediately, and can be replayed', async () => {
  const { call } = await straitYard()
  const { url, seen } = await endpoint((respond) => respond(400, 'no such customer'))
  const runId = await triggered(call, job('refused', url))
  const { body: run } = await over(call, runId, 'dead_letter')
  expect(run).toMatchObject({ attempt: 1, error: 'the endpoint answered 400: no such customer' })
  expect(seen).toHaveLength(1)
  const again = await call('POST', `/v1/runs/${runId}/dlq-replay`)
  expect([again.status, again.body.id]).toEqual([202, runId])
  await until(
    async () => seen.length,
    (count) => count === 2,
  )
})

describe('a misbehaving endpoint', () => {
  const cases: [string, () => Promise<string>, number, RegExp][] = [
    ['garbage', garbage, 1, /./],
    ['dropped', dropped, 2, /./],
    ['nobody', async () => `http://127.0.0.1:${await closedPort()}/`, 2, /./],
    ['half', half, 2, /./],
  ]
  test('a misbehaving endpoint fails the attempt, and the run is a dead letter when retries are exhausted', async () => {
    const { call } = await straitYard()
    for (const [slug, serve, attempts, error] of cases) {
      const runId = await triggered(call, job(slug, await serve(), { max_attempts: 2 }))
      const { body: run } = await over(call, runId, 'dead_letter')
      expect([run.attempt, run.error], slug).toEqual([attempts, expect.stringMatching(error)])
    }
  })
})

const garbage = async () =>
  (await tcpServer((socket) => socket.once('data', () => socket.end('\0\x01 nonsense\r\n\r\n')))).url
const dropped = async () => (await tcpServer((socket) => socket.once('data', () => socket.resetAndDestroy()))).url
const half = async () => {
  const head = 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n'
  return (await tcpServer((socket) => socket.once('data', () => socket.end(`${head}{"ha`)))).url
}

test('a handler that hangs is aborted at its timeout and retried, and in the end the run has timed out', async () => {
  const { call } = await straitYard()
  const { url, seen } = await endpoint(() => {})
  const runId = await triggered(call, job('hangs', url, { timeout_secs: 1, max_attempts: 2 }))
  const { body: run } = await over(call, runId, 'timed_out')
  expect(run).toMatchObject({ attempt: 2, error: 'timed out after 1 s' })
  await until(
    async () => seen.map((it) => it.closed),
    (closed) => closed.length === 2 && closed.every(Boolean),
  )
})

test('a redirect is not followed, and its target is not called', async () => {
  const { call } = await straitYard()
  const target = await endpoint((respond) => respond(200))
  const { url } = await endpoint((respond) => respond(302, '', { location: target.url }))
  const runId = await triggered(call, job('moved', url, { max_attempts: 1, endpoint_signing_secret: SECRET }))
  expect((await over(call, runId, 'dead_letter')).body.error).toBe('the endpoint answered 302')
  expect(target.seen).toEqual([])
})

test('a body of 2 MiB is bounded: as a result it is refused, as an error its beginning is stored', async () => {
  const { call } = await straitYard()
  const body = 'x'.repeat(2 * 1024 * 1024)
  const large = await endpoint((respond) => respond(200, body))
  const failing = await endpoint((respond) => respond(400, body))
  const first = await over(call, await triggered(call, job('large', large.url)), 'dead_letter')
  expect(first.body).toMatchObject({ attempt: 1, error: expect.stringContaining('larger than 1048576 bytes') })
  const second = await over(call, await triggered(call, job('failing', failing.url)), 'dead_letter')
  expect(second.body.error.length).toBeLessThan(1_000)
})
