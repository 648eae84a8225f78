import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ROUTES } from '#contract/routes.ts'
import { closedPort, httpServer } from '#test/support/local-servers.ts'
import { type Client, createClient } from './client.ts'
import { RunyardError } from './error.ts'

type Seen = { method: string; url: string; headers: IncomingMessage['headers']; body: unknown }

/** Answers the requests with `answers` in turn, the last one again and again. */
async function server(...answers: ((response: ServerResponse) => void)[]) {
  const seen: Seen[] = []
  const { url } = await httpServer(async (request, response) => {
    const { method = '', url = '', headers } = request
    const body = await text(request)
    seen.push({ method, url, headers, body: body && JSON.parse(body) })
    answers[Math.min(seen.length, answers.length) - 1]?.(response)
  })
  return { seen, url, client: createClient({ baseUrl: url, credential: 'key-1' }) }
}

const answer =
  (status: number, body: unknown, headers: Record<string, string> = {}) =>
  (response: ServerResponse): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  }
const refusal = (status: number, code: string, headers: Record<string, string> = {}) =>
  answer(status, { error: { code, message: 'No.', details: { run_id: 'r' } }, request_id: 'req-1' }, headers)
const breakOff = (response: ServerResponse) => void response.destroy()
const silence = () => {}

const errorOf = async (call: Promise<unknown>): Promise<RunyardError> => {
  const error = await call.then(() => undefined).catch((thrown: unknown) => thrown)
  if (!(error instanceof RunyardError)) throw new Error(`expected a RunyardError, got ${error}`)
  return error
}

test('the client has a method for every route of the contract except streams', () => {
  const client = createClient({ baseUrl: 'http://127.0.0.1:1' }) as object
  const missing = ROUTES.filter((route) => !route.stream && !(route.name in client)).map((route) => route.name)
  expect(missing).toEqual([])
})

test('a call sends the request with the credential, and returns what the server returned', async () => {
  const { seen, client } = await server(answer(201, { id: 'run-1' }), answer(200, { id: 'run-1' }))
  const run = await client.triggerRun({ job: 'report', payload: [1] })
  expect(run.id).toBe('run-1')
  expect(seen).toMatchObject([
    { method: 'POST', url: '/v1/jobs/report/runs', body: { payload: [1] }, headers: { authorization: 'Bearer key-1' } },
  ])
  await client.as('token-2').getRun({ run_id: 'run-1' })
  expect(seen[1]?.headers.authorization).toBe('Bearer token-2')
})

test('a call that the contract does not know does not compile', () => {
  // Never called: the compiler reads it, and complains where one of these is no mistake any more.
  const mistakes = (client: Client) => [
    // @ts-expect-error The job is missing.
    client.triggerRun({ payload: 1 }),
    // @ts-expect-error There is no such state.
    client.listRuns({ status: ['sleeping'] }),
    // @ts-expect-error A body has no such field.
    client.createJob({ slug: 'j', execution: 'worker', retrys: 3 }),
    // @ts-expect-error A run has no such field.
    client.getRun({ run_id: 'r' }).then((run) => run.state),
    // @ts-expect-error A stream is followed, not called.
    client.streamRun({ run_id: 'r' }),
    client.listRuns(),
    client.getRun({ run_id: 'r' }).then((run) => run.status === 'queued'),
  ]
  expect(mistakes).toBeTypeOf('function')
})

test("a path in the server's base URL is kept", async () => {
  const { seen, url } = await server(answer(200, { status: 'ok' }))
  await createClient({ baseUrl: `${url}yard/` }).getLive()
  expect(seen[0]?.url).toBe('/yard/health/live')
})

test('a reply without a body is undefined, and one that is not JSON is text', async () => {
  const nothing = await server((response) => void response.writeHead(204).end())
  expect(await nothing.client.deleteJob({ job: 'old' })).toBeUndefined()
  const words = await server((response) => void response.writeHead(200).end('up 1'))
  expect(await words.client.getMetrics()).toBe('up 1')
})

test('a reply that the contract defines is never an error, whatever its status', async () => {
  const { client } = await server(answer(503, { status: 'not_ready', checks: [] }))
  expect((await client.getReady()).status).toBe('not_ready')
})

test('a refusal has status, code, details and request id', async () => {
  const { client } = await server(refusal(404, 'run_not_found'))
  const error = await errorOf(client.getRun({ run_id: 'r' }))
  expect(error).toMatchObject({ status: 404, code: 'run_not_found', message: 'No.', requestId: 'req-1' })
  expect(error.details).toEqual({ run_id: 'r' })
})

test("a proxy's error page is an error too", async () => {
  const { client } = await server((response) => void response.writeHead(418).end('<html>'))
  expect(await errorOf(client.getLive())).toMatchObject({ status: 418, code: 'http_418' })
})

describe('retries of the client', () => {
  test.each([
    ['a broken connection', breakOff],
    ['503', refusal(503, 'unavailable')],
    ['429', refusal(429, 'rate_limited')],
  ])('a read is retried after %s', async (_, first) => {
    const { seen, client } = await server(first, answer(200, { id: 'r' }))
    expect((await client.getRun({ run_id: 'r' })).id).toBe('r')
    expect(seen).toHaveLength(2)
  })

  test('a write is retried when it has an idempotency key', async () => {
    const { seen, client } = await server(breakOff, answer(201, { id: 'r' }), breakOff, answer(201, { id: 'r' }))
    await client.triggerRun({ job: 'j' }, { idempotencyKey: 'k' })
    await client.triggerRun({ job: 'j', idempotency_key: 'k' })
    expect(seen.map(({ headers }) => headers['idempotency-key'])).toEqual(['k', 'k', undefined, undefined])
  })

  test('a call that was refused before anything was done is retried', async () => {
    const { seen, client } = await server(refusal(429, 'rate_limited'), answer(201, { id: 'r' }))
    await client.triggerRun({ job: 'j' })
    expect(seen).toHaveLength(2)
  })

  test('a call is not retried before the time that the server asked for', async () => {
    const { client } = await server(refusal(429, 'rate_limited', { 'retry-after': '1' }), answer(200, { id: 'r' }))
    const beganMs = performance.now()
    await client.getRun({ run_id: 'r' })
    expect(performance.now() - beganMs).toBeGreaterThanOrEqual(1000)
  })
})

describe('calls that the client does not retry', () => {
  test('a call that may have been executed is not retried', async () => {
    const { seen, client } = await server(breakOff)
    expect(await errorOf(client.triggerRun({ job: 'j' }))).toMatchObject({ status: 0, code: 'unreachable' })
    expect(seen).toHaveLength(1)
  })

  test('a call is not retried when the server asks for a long wait', async () => {
    const { seen, client } = await server(refusal(429, 'rate_limited', { 'retry-after': '3600' }))
    expect(await errorOf(client.getMe())).toMatchObject({ retryAfterMs: 3_600_000 })
    expect(seen).toHaveLength(1)
  })

  test('a call is not retried forever', async () => {
    const { seen, client } = await server(refusal(503, 'unavailable'))
    expect(await errorOf(client.getMe({}, { retriesMax: 2 }))).toMatchObject({ status: 503 })
    expect(seen).toHaveLength(3)
  })
})

test('an unreachable server is an error that names the address', async () => {
  const client = createClient({ baseUrl: `http://127.0.0.1:${await closedPort()}` })
  const error = await errorOf(client.getRun({ run_id: 'r' }, { retriesMax: 0 }))
  expect(error).toMatchObject({ status: 0, code: 'unreachable' })
  expect(error.message).toMatch(/GET \/v1\/runs\/r.*ECONNREFUSED/)
})

test('a server that does not respond is abandoned at the timeout', async () => {
  const { client } = await server(silence)
  expect(await errorOf(client.getMe({}, { timeoutMs: 50, retriesMax: 0 }))).toMatchObject({ code: 'timeout' })
})

test("the caller's signal ends a call with its own reason, also between two attempts", async () => {
  const { client } = await server(silence)
  const reason = new Error('enough')
  await expect(client.getMe({}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)

  const later = new AbortController()
  const { client: busy } = await server(refusal(429, 'rate_limited', { 'retry-after': '30' }))
  const call = busy.getMe({}, { signal: later.signal })
  await delay(50)
  later.abort(reason)
  await expect(call).rejects.toBe(reason)
})

test('a redirect is not followed: it would carry the credential away', async () => {
  let asked = false
  const other = await httpServer((_, response) => {
    asked = true
    response.end('{}')
  })
  const { client } = await server((response) => void response.writeHead(307, { location: other.url }).end())
  await errorOf(client.getMe({}, { retriesMax: 0 }))
  onTestFinished(() => expect(asked).toBe(false))
})
