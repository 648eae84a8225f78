import type { Socket } from 'node:net'
import { expect, test, vi } from 'vitest'
import { caller, fault, post, response } from '#test/support/calls.ts'
import { closed, closedPort, httpServer, tcpServer } from '#test/support/local-servers.ts'

/** Reads the request, then lets `answer` do its worst. */
const answering = (answer: (socket: Socket) => void) => tcpServer((socket) => socket.once('data', () => answer(socket)))

test('a handler that hangs is abandoned at the timeout, and sees its connection close', async () => {
  const { url, connections } = await answering(() => {})
  const outcome = fault(await caller().call(post(url, { timeoutMs: 300 })))
  expect(outcome).toMatchObject({ reason: 'timeout', message: 'no response within 300 ms' })
  expect(outcome.timings.totalMs).toBeGreaterThan(290)
  expect(outcome.timings.ttfbMs).toBeGreaterThan(0)
  expect(outcome.timings.transferMs).toBe(0)
  await closed(connections[0]!)
})

test('a body that does not end in time is a timeout, even if it keeps trickling', async () => {
  const { url, connections } = await answering((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
    const trickle = setInterval(() => socket.write('1\r\nx\r\n'), 5)
    socket.once('close', () => clearInterval(trickle))
  })
  const outcome = fault(await caller().call(post(url, { timeoutMs: 300 })))
  expect(outcome.reason).toBe('timeout')
  expect(outcome.timings.transferMs).toBeGreaterThan(0)
  await closed(connections[0]!)
})

test('an abort before the response is reported immediately, and the server sees the close', async () => {
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
  const { url, connections } = await answering(() => ask())
  const abort = new AbortController()
  const outcome = caller().call(post(url, { signal: abort.signal }))
  await asked
  abort.abort()
  expect(fault(await outcome).reason).toBe('aborted')
  await closed(connections[0]!)
})

test('an abort in the middle of the body is seen by the server as a close', async () => {
  const abort = new AbortController()
  const { url, connections } = await httpServer((_request, reply) => {
    reply.write('{"half":', () => abort.abort())
  })
  expect(fault(await caller().call(post(url, { signal: abort.signal }))).reason).toBe('aborted')
  await closed(connections[0]!)
})

test('an abort while connecting ends the connection attempt itself', async () => {
  const abort = new AbortController()
  // Accepts the connection and never begins TLS.
  const { port, connections } = await tcpServer(() => abort.abort())
  const outcome = fault(await caller().call(post(`https://127.0.0.1:${port}/`, { signal: abort.signal })))
  expect(outcome.reason).toBe('aborted')
  expect(outcome.timings.connectMs).toBeGreaterThan(0)
  await closed(connections[0]!)
})

test('a signal that was aborted before the call sends nothing', async () => {
  const { url, connections } = await httpServer((_request, reply) => reply.end())
  expect(fault(await caller().call(post(url, { signal: AbortSignal.abort() }))).reason).toBe('aborted')
  expect(connections).toHaveLength(0)
})

test('a connection abandoned while connecting frees its place in the pool', async () => {
  const { port, connections } = await tcpServer(() => {})
  const { call } = caller({ maxConnectionsPerOrigin: 1 })
  for (let tries = 1; tries <= 3; tries++) {
    expect(fault(await call(post(`https://127.0.0.1:${port}/`, { timeoutMs: 200 }))).reason).toBe('timeout')
    expect(connections).toHaveLength(tries)
  }
})

test('a refused connection is a connect fault, with the address in the message', async () => {
  const port = await closedPort()
  const outcome = fault(await caller().call(post(`http://127.0.0.1:${port}/`)))
  expect(outcome).toMatchObject({ reason: 'connect', message: `connect ECONNREFUSED 127.0.0.1:${port}` })
})

test('a connect fault of a name with several dead addresses says what happened at each', async () => {
  const port = await closedPort()
  const resolve = async () => [
    { address: '127.0.0.1', family: 4 },
    { address: '127.0.0.2', family: 4 },
  ]
  const outcome = fault(await caller({ resolve }).call(post(`http://handler.test:${port}/`)))
  expect(outcome.reason).toBe('connect')
  expect(outcome.message).toContain('127.0.0.1')
  expect(outcome.message).toContain('127.0.0.2')
})

test('a name without an address is a DNS fault', async () => {
  const resolve = () => Promise.reject(new Error('getaddrinfo ENOTFOUND handler.test'))
  const outcome = fault(await caller({ resolve }).call(post('http://handler.test/')))
  expect(outcome).toMatchObject({ reason: 'dns', message: expect.stringContaining('ENOTFOUND') })
})

test('a resolver that does not respond is bounded by the connect timeout', async () => {
  const { call } = caller({ resolve: () => new Promise(() => {}), connectTimeoutMs: 40 })
  const outcome = fault(await call(post('http://handler.test/')))
  expect(outcome).toMatchObject({ reason: 'connect', message: 'no connection within 40 ms' })
})

test.each([
  ['before the headers', ''],
  ['inside the headers', 'HTTP/1.1 200 OK\r\ncontent-le'],
  ['before the announced body', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n'],
  ['inside the announced body', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345'],
  ['between chunks', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n'],
])('a connection dropped %s is a reset, whether it ends or breaks', async (_when, beginning) => {
  const ends = await answering((socket) => socket.end(beginning))
  expect(fault(await caller().call(post(ends.url))).reason).toBe('reset')
  const breaks = await answering((socket) => socket.write(beginning, () => socket.resetAndDestroy()))
  expect(fault(await caller().call(post(breaks.url))).reason).toBe('reset')
})

test('a body without a length ends with its connection', async () => {
  const { url } = await answering((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n[1]'))
  expect(response(await caller().call(post(url))).json).toEqual([1])
})

test.each([
  ['noise', '\x16\x03\x01\x00 not http\r\n\r\n'],
  ['a status that is none', 'HTTP/1.1 abc OK\r\n\r\n'],
  ['a chunk size that is none', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'],
  ['huge headers', `HTTP/1.1 200 OK\r\nx-big: ${'x'.repeat(65_536)}\r\n\r\n`],
  ['endless headers', `HTTP/1.1 200 OK\r\n${'x-more: 1234567890\r\n'.repeat(5_000)}`],
])('%s is a malformed response', async (_what, bytes) => {
  const { url, connections } = await answering((socket) => socket.write(bytes, 'latin1'))
  expect(fault(await caller().call(post(url))).reason).toBe('malformed')
  await closed(connections[0]!)
})

test.each([
  ['two lengths that differ', 'content-length: 1\r\ncontent-length: 2\r\n\r\n12'],
  ['a length beside chunks', 'content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n12\r\n0\r\n\r\n'],
  ['a bad header after the length', 'content-length: 2\r\nx bad: 1\r\n\r\n12'],
])('%s give no result, and retrying would not help', async (_what, rest) => {
  const { url } = await answering((socket) => socket.write(`HTTP/1.1 200 OK\r\n${rest}`))
  expect(fault(await caller().call(post(url))).reason).toBe('malformed')
})

test.each([
  ['LF alone behind every line', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok'],
  ['LF alone behind one line', 'HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok'],
  ['LF alone at the end of the head', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok'],
  ['CR alone behind every line', 'HTTP/1.1 200 OK\rContent-Length: 2\r\rok'],
])('a head with %s is malformed, whether the connection stays open or ends', async (_what, answer) => {
  for (const send of ['write', 'end'] as const) {
    const { url } = await answering((socket) => socket[send](answer))
    const { reason, message } = fault(await caller().call(post(url)))
    expect([send, reason, message]).toEqual([send, 'malformed', expect.stringContaining('CRLF')])
  }
})

test('a long extension of a chunk is skipped, and long trailers are malformed', async () => {
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
  const long = 'x'.repeat(200_000)
  const extended = await answering((socket) => socket.write(`${head}2;a=${long}\r\nok\r\n0\r\n\r\n`))
  expect(response(await caller().call(post(extended.url))).bodyText).toBe('ok')
  const trailed = await answering((socket) => socket.write(`${head}2\r\nok\r\n0\r\nX: ${long}\r\n\r\n`))
  expect(fault(await caller().call(post(trailed.url)))).toMatchObject({
    reason: 'malformed',
    message: 'the headers or trailers of the response are too large',
  })
})

test('an unrequested protocol upgrade is a malformed response', async () => {
  const { url } = await answering((socket) =>
    socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n'),
  )
  expect(fault(await caller().call(post(url))).reason).toBe('malformed')
})

test.each([
  ['a line break in a value', { 'x-secret': 'a\r\nx-other: b' }],
  ['a name with a space', { 'x secret': 'a' }],
  ['a host of its own', { Host: 'internal' }],
  ['a connection of its own', { connection: 'close' }],
  ['a length of its own', { 'content-length': '1' }],
])('%s is not sent, and takes no place in the pool', async (_what, headers) => {
  const { url, connections } = await httpServer((_request, reply) => reply.end('{}'))
  const { call } = caller({ maxConnectionsPerOrigin: 1 })
  const outcome = fault(await call(post(url, { headers })))
  expect(outcome.reason).toBe('malformed')
  expect(outcome.message).not.toContain('x-other')
  expect(connections).toHaveLength(0)
  expect(response(await call(post(url))).status).toBe(200)
})

test('text that is not a URL is a malformed request', async () => {
  expect(fault(await caller().call(post('no url'))).reason).toBe('malformed')
})

test('closing the HTTP client aborts calls that run, wait or connect, and refuses later ones', async () => {
  const { url, connections } = await answering(() => {})
  const made = caller({ maxConnectionsPerOrigin: 1 })
  const running = made.call(post(url))
  const waiting = made.call(post(url))
  const { port, connections: half } = await tcpServer(() => {})
  const connecting = made.call(post(`https://127.0.0.1:${port}/`))
  await vi.waitUntil(() => connections.length + half.length === 2)
  await made.close()
  for (const call of [running, waiting, connecting, made.call(post(url))])
    expect(fault(await call).reason).toBe('aborted')
  await closed(connections[0]!)
  await closed(half[0]!)
})
