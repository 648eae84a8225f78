import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { anyJson, body, optional } from '#contract/common.ts'
import { route } from '#contract/route.ts'
import { implement } from './implement.ts'
import { type LogLine, testServer } from './server.fixture.ts'

const common = { needs: 'runs:read', tag: 'Test', summary: 'For a test.' } as const
const Ok = Type.Object({ ok: Type.Boolean() })

const thing = route({
  ...common,
  method: 'GET',
  path: '/things/:id',
  name: 'thing',
  params: Type.Object({ id: Type.String() }),
  replies: { 200: Ok },
})
const send = route({
  ...common,
  method: 'POST',
  path: '/send',
  name: 'send',
  body: body({ value: optional(anyJson('Anything.')) }),
  replies: { 200: Ok },
})
const small = route({
  ...common,
  method: 'PUT',
  path: '/send',
  name: 'small',
  body: body({ value: anyJson('Anything.') }),
  bodyBytesMax: 10,
  replies: { 200: Ok },
})
const broken = route({ ...common, method: 'GET', path: '/broken', name: 'broken', replies: { 200: Ok } })
const shapeless = route({ ...common, method: 'GET', path: '/shapeless', name: 'shapeless', replies: { 200: Ok } })
const slow = route({ ...common, method: 'GET', path: '/slow', name: 'slow', replies: { 200: Ok } })
const live = route({ ...common, method: 'GET', path: '/live', name: 'live', stream: true, replies: { 200: null } })

const logged: LogLine[] = []

const mount = (app: FastifyInstance): void => {
  implement(app, thing, () => ({ ok: true }))
  implement(app, send, () => ({ ok: true }))
  implement(app, small, () => ({ ok: true }))
  implement(app, broken, () => {
    throw new Error('the password is hunter2')
  })
  implement(app, shapeless, () => ({ wrong: true }) as never)
  implement(app, slow, async () => {
    await sleep(200)
    return { ok: true }
  })
  implement(app, live, (_, __, ___, reply) => {
    reply.hijack()
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: 1\n\n')
    return undefined
  })
}

let app: FastifyInstance
let port: number

beforeAll(async () => {
  app = testServer(mount, { logged })
  await app.listen({ port: 0, host: '127.0.0.1' })
  port = (app.server.address() as AddressInfo).port
})
afterAll(async () => {
  await app.close()
})

/** Sends bytes over a socket of its own and gives back all that comes until the other side closes. */
async function raw(bytes: string | Buffer, to = port): Promise<string> {
  const socket = connect(to, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.write(bytes)
  await once(socket, 'close')
  return Buffer.concat(chunks).toString()
}

const envelopeOf = (answer: string) => JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))

describe('the request id', () => {
  test.each(['abc', 'A.b_c-9', 'x'.repeat(128)])('the request id %s is adopted and returned', async (id) => {
    const reply = await app.inject({ url: '/things/1', headers: { 'x-request-id': id } })
    expect(reply.headers['x-request-id']).toBe(id)
  })

  test.each(['', 'a b', 'x'.repeat(129), 'é', '<script>'])('the request id %j is replaced', async (id) => {
    const reply = await app.inject({ url: '/nope', headers: { 'x-request-id': id } })
    expect(reply.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    expect(reply.json().request_id).toBe(reply.headers['x-request-id'])
  })

  test('the request id is logged with a refusal', async () => {
    await app.inject({ url: '/nope', headers: { 'x-request-id': 'find-me' } })
    expect(logged.find((line) => line.request_id === 'find-me')).toMatchObject({ level: 30, code: 'route_not_found' })
  })

  test('addresses that are secrets are not logged when they are called in a wrong way', async () => {
    for (const path of ['/hooks/hk_top-secret', '/hooks/hk_top-secret/', '/answer/rya_top_secret/?from=mail'])
      await app.inject({ method: 'PUT', url: path, headers: { 'x-request-id': 'secret-address' } })
    const lines = logged.filter((line) => line.request_id === 'secret-address').map((line) => line.msg)
    expect(lines).toHaveLength(3)
    expect(lines.join()).toContain('/hooks/hk_…')
    expect(lines.join()).not.toMatch(/top.secret/)
  })
})

describe('error responses', () => {
  test('an internal error is a 500, and its reason is only in the log', async () => {
    const reply = await app.inject('/broken')
    expect(reply.statusCode).toBe(500)
    expect(reply.json().error.code).toBe('internal')
    expect(reply.body).not.toContain('hunter2')
    const line = logged.find(({ request_id }) => request_id === reply.headers['x-request-id'])!
    expect(line).toMatchObject({ level: 50, err: { message: 'the password is hunter2', stack: expect.any(String) } })
  })

  test('a reply that does not match the contract is a 500 as well', async () => {
    const reply = await app.inject('/shapeless')
    expect(reply.statusCode).toBe(500)
    expect(reply.json().error.code).toBe('internal')
  })

  test.each([
    ['GET', '/nope', 404, 'route_not_found'],
    ['POST', '/nope', 404, 'route_not_found'],
    ['PATCH', '/send', 405, 'method_not_allowed'],
    ['POST', '/things/1', 405, 'method_not_allowed'],
    ['HEAD', '/live', 405, undefined],
    ['GET', '/things/%ff', 400, 'malformed'],
    ['GET', `/things/${'x'.repeat(4000)}`, 404, 'route_not_found'],
  ])('%s %s is answered with the error envelope', async (method, url, status, code) => {
    const reply = await app.inject({ method: method as 'GET', url })
    expect(reply.statusCode).toBe(status)
    expect(reply.headers['x-request-id']).toBeDefined()
    if (code)
      expect(reply.json()).toMatchObject({
        error: { code, message: expect.any(String) },
        request_id: expect.any(String),
      })
  })

  test('a method that a path does not support is answered with the supported ones', async () => {
    const reply = await app.inject({ method: 'DELETE', url: '/send' })
    expect(reply.headers.allow).toBe('OPTIONS, POST, PUT')
    const options = await app.inject({ method: 'OPTIONS', url: '/things/1' })
    expect([options.statusCode, options.headers.allow, options.body]).toEqual([204, 'GET, HEAD, OPTIONS', ''])
    expect((await app.inject({ method: 'OPTIONS', url: '/nope' })).statusCode).toBe(404)
  })
})

describe('HEAD requests', () => {
  test('HEAD is answered like GET, without the body, and needs the same key', async () => {
    const get = await app.inject('/things/1')
    const head = await app.inject({ method: 'HEAD', url: '/things/1' })
    expect([head.statusCode, head.body]).toEqual([200, ''])
    expect(head.headers['content-length']).toBe(get.headers['content-length'])
    const nobody = await app.inject({ method: 'HEAD', url: '/things/1', headers: { authorization: 'none' } })
    expect(nobody.statusCode).toBe(401)
  })
})

describe('request bodies', () => {
  const post = (payload: string | Buffer, type?: string) =>
    app.inject({ method: 'POST', url: '/send', payload, headers: type === undefined ? {} : { 'content-type': type } })

  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'APPLICATION/JSON',
    'application/merge-patch+json',
  ])('a body is read as %s', async (type) => expect((await post('{"value":1}', type)).statusCode).toBe(200))

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonx',
    'x',
  ])('a body is not read as %s', async (type) => {
    const reply = await post('{"value":1}', type)
    expect([reply.statusCode, reply.json().error.code]).toEqual([415, 'unsupported_media_type'])
  })

  test('a body without a content type is refused with the types that are accepted', async () => {
    const answer = await raw('POST /send HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}')
    expect(answer).toContain('HTTP/1.1 415')
    expect(envelopeOf(answer).error.message).toContain('application/json')
  })

  test('an empty body counts as none', async () => {
    const reply = await post('', 'application/json')
    expect([reply.statusCode, reply.json().error.code]).toEqual([422, 'invalid'])
  })

  test('a body over the limit is a 413 with the limit, with or without a Content-Length', async () => {
    const large = `{"value":"${'x'.repeat(1024 * 1024)}"}`
    const reply = await post(large, 'application/json')
    expect([reply.statusCode, reply.json().error.details.bytes_max]).toEqual([413, 1024 * 1024])
    const chunked = await new Promise<number>((resolve, reject) => {
      const headers = { 'content-type': 'application/json' }
      const request = httpRequest({ port, path: '/send', method: 'POST', headers }, (answer) => {
        answer.resume()
        resolve(answer.statusCode!)
      })
      request.on('error', reject)
      request.end(large)
    })
    expect(chunked).toBe(413)
    const own = await app.inject({ method: 'PUT', url: '/send', payload: { value: 'over ten bytes' } })
    expect([own.statusCode, own.json().error.details.bytes_max]).toEqual([413, 10])
  })

  test('a body shorter than its Content-Length is not a bug of ours', async () => {
    const before = logged.filter((line) => line.level >= 50).length
    const socket = connect(port, '127.0.0.1')
    socket.write('POST /send HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"va')
    await sleep(50)
    socket.destroy()
    await expect.poll(() => logged.at(-1)!.msg).toBe('The body broke off.')
    expect(logged.filter((line) => line.level >= 50)).toHaveLength(before)
  })

  test('a malformed body leaves the connection open for the next request', async () => {
    const bad = 'POST /send HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n{'
    const good = 'GET /things/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
    const answer = await raw(bad + good)
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400', 'HTTP/1.1 200'])
  })
})

describe('invalid requests', () => {
  test.each([
    ['hello\r\n\r\n', 400, 'malformed'],
    [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`, 431, 'malformed'],
    ['GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400, 'malformed'],
  ])(
    'bytes that are not a request are answered with the error envelope, and the connection is closed',
    async (bytes, status, code) => {
      const answer = await raw(bytes)
      expect(answer).toContain(`HTTP/1.1 ${status}`)
      expect(envelopeOf(answer)).toMatchObject({ error: { code }, request_id: '' })
    },
  )
})

test("a stream's handler has the connection to itself", async () => {
  const reply = await fetch(`http://127.0.0.1:${port}/live`)
  expect(await reply.text()).toBe('data: 1\n\n')
})

describe('a closing server', () => {
  const begin = async () => {
    const other = testServer(mount)
    await other.listen({ port: 0, host: '127.0.0.1' })
    const socket = connect((other.server.address() as AddressInfo).port, '127.0.0.1')
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n')
    await sleep(50)
    // The server may be through before the client has read what was sent to it.
    const closed = Promise.all([other.close(), once(socket, 'close')])
    return { socket, closed, answer: () => Buffer.concat(chunks).toString() }
  }

  test('a closing server finishes what it began, and refuses the rest with the error envelope', async () => {
    const { socket, closed, answer } = await begin()
    socket.write('GET /things/1 HTTP/1.1\r\nHost: x\r\n\r\n')
    await closed
    expect(answer().match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 503'])
    expect(answer()).toContain('"code":"unavailable"')
    expect(answer().toLowerCase()).toContain('retry-after: 1')
  })

  test('a closing server does not wait for idle kept-alive connections', async () => {
    const { closed, answer } = await begin()
    const since = performance.now()
    await closed
    expect(answer()).toContain('HTTP/1.1 200')
    expect(performance.now() - since).toBeLessThan(2000)
  })
})
