import { once } from 'node:events'
import type { IncomingMessage, RequestListener } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as after } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { caller, post, response } from '#test/support/calls.ts'
import { closed, httpServer, tcpServer } from '#test/support/local-servers.ts'
import type { CallRequest } from './http-call.ts'

const answerOf = async (listener: RequestListener, more: Partial<CallRequest> = {}) => {
  const { url } = await httpServer(listener)
  return caller().call(post(url, more))
}

test('a JSON response is returned parsed, with its status, headers and timings', async () => {
  let seen: IncomingMessage | undefined
  const outcome = response(
    await answerOf(
      async (request, reply) => {
        seen = request
        reply.setHeader('x-from', 'handler').end(`{"echo":${await text(request)}}`)
      },
      { body: '{"a":1}', headers: { 'x-run-id': 'r1' } },
    ),
  )
  expect(outcome).toMatchObject({ status: 200, isJson: true, json: { echo: { a: 1 } }, bodyTruncated: false })
  expect(outcome.headers['x-from']).toBe('handler')
  expect(seen).toMatchObject({ method: 'POST', url: '/' })
  expect(seen?.headers).toMatchObject({ 'x-run-id': 'r1', 'accept-encoding': 'identity', 'content-length': '7' })
  const { connectMs, ttfbMs, transferMs, totalMs } = outcome.timings
  expect(connectMs).toBeGreaterThan(0)
  expect(totalMs).toBeGreaterThanOrEqual(connectMs + ttfbMs + transferMs)
})

test('a body of bytes, the path and the query arrive unchanged', async () => {
  const { url } = await httpServer(async (request, reply) => {
    reply.end(`${request.url} ${await text(request)}`)
  })
  const outcome = await caller().call(post(`${url}a%20b?c=d#e`, { body: new TextEncoder().encode('{"ü":0}') }))
  expect(response(outcome).bodyText).toBe('/a%20b?c=d {"ü":0}')
})

test.each([202, 204, 304, 400, 408, 429, 500, 503])('status %i is a response, not a fault', async (status) => {
  const outcome = response(await answerOf((_request, reply) => reply.writeHead(status, { 'retry-after': '7' }).end()))
  expect(outcome).toMatchObject({ status, bodyText: '', isJson: false })
  expect(outcome.headers['retry-after']).toBe('7')
})

test.each([
  ['204 with an encoding', 'HTTP/1.1 204 No Content\r\ncontent-encoding: gzip\r\n\r\n'],
  ['204 with a length', 'HTTP/1.1 204 No Content\r\ncontent-length: 99999999\r\n\r\n'],
  ['304 with the length of what has not changed', 'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n'],
  ['an empty body with an encoding', 'HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 0\r\n\r\n'],
  [
    'no chunk with an encoding',
    'HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
])('%s is a response without a body', async (_what, bytes) => {
  const { url } = await tcpServer((socket) => socket.once('data', () => socket.write(bytes)))
  expect(response(await caller().call(post(url)))).toMatchObject({ bodyText: '', isJson: false })
})

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'
const HINTS = 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'
const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]'
test.each([
  ['a 100 Continue that nobody asked for', CONTINUE + ANSWER],
  ['several of them, and hints between them', CONTINUE + HINTS + CONTINUE + ANSWER],
  ['a length that is given twice', ANSWER.replace('\r\n\r\n', '\r\ncontent-length: 3\r\n\r\n')],
  ['a length that is a list of equal ones', ANSWER.replace(': 3', ': 3, 3')],
])('%s loses no response, in whatever pieces it arrives', async (_what, bytes) => {
  let calls = 0
  const { url, connections } = await tcpServer((socket) => {
    socket.on('data', async () => {
      const size = [bytes.length, 1, 7][calls++] ?? 40
      for (let at = 0; at < bytes.length; at += size) {
        socket.write(bytes.slice(at, at + size))
        await after(size < bytes.length ? 1 : 0)
      }
    })
  })
  const { call } = caller()
  for (let n = 1; n <= 4; n++) {
    expect(response(await call(post(url)))).toMatchObject({ status: 200, json: [1] })
    expect(calls).toBe(n)
  }
  expect(connections).toHaveLength(1)
})

test('a redirect is a response, and its target is not called', async () => {
  const target = await httpServer((_request, reply) => reply.end())
  const outcome = response(
    await answerOf((_request, reply) => reply.writeHead(307, { location: target.url }).end('elsewhere')),
  )
  expect(outcome).toMatchObject({ status: 307, headers: { location: target.url }, bodyText: 'elsewhere' })
  expect(target.connections).toHaveLength(0)
})

test('JSON is recognized by its content, not by its content type', async () => {
  const plain = await answerOf((_request, reply) => reply.setHeader('content-type', 'text/plain').end('[1]'))
  expect(response(plain)).toMatchObject({ isJson: true, json: [1] })
  const claimed = await answerOf((_request, reply) => reply.setHeader('content-type', 'application/json').end('hm'))
  expect(response(claimed)).toMatchObject({ isJson: false, bodyText: 'hm' })
  expect(response(claimed)).not.toHaveProperty('json')
})

test('bytes that are not UTF-8 are replaced, and NUL characters are kept', async () => {
  const outcome = await answerOf((_request, reply) => reply.end(Buffer.from([0x61, 0xff, 0x00, 0xc3, 0x28])))
  expect(response(outcome)).toMatchObject({ bodyText: 'a\uFFFD\0\uFFFD(', isJson: false })
})

test('a 2 MiB body within the limit is returned whole', async () => {
  const big = 'ä'.repeat(1_048_576)
  const outcome = await answerOf((_request, reply) => reply.end(big), { resultBytesMax: 2_097_152 })
  expect(response(outcome).bodyText === big).toBe(true)
})

test('a body announced as too large is refused before it is read', async () => {
  const { url, connections } = await tcpServer((socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2097152\r\n\r\n'))
  })
  expect(await caller().call(post(url))).toMatchObject({ kind: 'failed', reason: 'body_too_large' })
  await closed(connections[0]!)
})

test('a body without end is cut off at the limit, and the server notices', async () => {
  let sent = 0
  const { url, connections } = await httpServer((_request, reply) => {
    const more = () => {
      while (!reply.destroyed && reply.write(Buffer.alloc(65_536))) sent += 65_536
    }
    reply.on('drain', more)
    more()
  })
  expect(await caller().call(post(url))).toMatchObject({ kind: 'failed', reason: 'body_too_large' })
  await closed(connections[0]!)
  expect(sent).toBeLessThan(32 * 1_048_576) // What fits in socket buffers, not what the server has.
})

test('an error keeps its status although its body is too large, and the text is truncated', async () => {
  const outcome = await answerOf((_request, reply) => reply.writeHead(500).end('é'.repeat(1_000)), {
    resultBytesMax: 5,
  })
  expect(response(outcome)).toMatchObject({ status: 500, bodyText: 'éé', bodyTruncated: true, isJson: false })
})

test('a body of exactly the limit is not too large', async () => {
  const outcome = await answerOf((_request, reply) => reply.write('12') && reply.end('345'), { resultBytesMax: 5 })
  expect(response(outcome)).toMatchObject({ json: 12345, bodyTruncated: false })
})

test('a compressed result is refused: it was not requested and cannot be bounded', async () => {
  const outcome = await answerOf((_request, reply) => reply.setHeader('content-encoding', 'gzip').end('x'))
  expect(outcome).toMatchObject({ kind: 'failed', reason: 'malformed' })
})

test('a kept-alive connection is reused without connecting again', async () => {
  const { url, connections } = await httpServer((_request, reply) => reply.end('{}'))
  const { call } = caller()
  expect(response(await call(post(url))).timings.connectMs).toBeGreaterThan(0)
  for (let again = 0; again < 5; again++) expect(response(await call(post(url))).timings.connectMs).toBe(0)
  expect(connections).toHaveLength(1)
})

test('a kept-alive connection that the server closed is replaced', async () => {
  const { url, connections } = await httpServer((_request, reply) => reply.end('{}'))
  const { call } = caller()
  response(await call(post(url)))
  const [first] = connections
  first?.destroy()
  await once(first!, 'close')
  expect(response(await call(post(url)))).toMatchObject({ status: 200 })
  expect(connections).toHaveLength(2)
})

test('the time to the first byte and the transfer time are measured separately', async () => {
  const outcome = await answerOf(async (_request, reply) => {
    await after(80)
    reply.write('slow ')
    await after(300)
    reply.end('answer')
  })
  const { ttfbMs, transferMs, totalMs } = response(outcome).timings
  expect(ttfbMs).toBeGreaterThan(70)
  expect(transferMs).toBeGreaterThan(280)
  expect(ttfbMs).toBeLessThan(transferMs)
  expect(totalMs).toBeGreaterThanOrEqual(ttfbMs + transferMs)
})

test('a body that trickles in one byte per chunk is assembled', async () => {
  const { url } = await tcpServer((socket) => {
    socket.once('data', () => {
      const chunks = Array.from({ length: 50_000 }, (_, index) => `1\r\n${index % 10}\r\n`).join('')
      socket.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`)
    })
  })
  const { bodyText } = response(await caller().call(post(url)))
  expect(bodyText).toHaveLength(50_000)
  expect(bodyText.startsWith('01234567890')).toBe(true)
})

test('more calls than connections wait for one, and all are answered', async () => {
  const { url, connections } = await httpServer((_request, reply) => reply.end('{}'))
  const { call } = caller({ maxConnectionsPerOrigin: 2 })
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => call(post(url))))
  expect(outcomes.map((outcome) => response(outcome).status)).toEqual(Array(20).fill(200))
  expect(connections).toHaveLength(2)
})

test('a call whose time runs out while it waits for a connection is never sent', async () => {
  const paths: unknown[] = []
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const { url, connections } = await httpServer(async (request, reply) => {
    paths.push(request.url)
    await released
    reply.end('{}')
  })
  const { call } = caller({ maxConnectionsPerOrigin: 1 })
  const first = call(post(`${url}first`))
  const second = await call(post(`${url}second`, { timeoutMs: 30 }))
  expect(second).toMatchObject({ kind: 'failed', reason: 'timeout', timings: { connectMs: 0, ttfbMs: 0 } })
  const third = call(post(`${url}third`))
  release()
  expect(response(await first).status).toBe(200)
  expect(response(await third).status).toBe(200)
  expect(paths).toEqual(['/first', '/third'])
  expect(connections).toHaveLength(1)
})
