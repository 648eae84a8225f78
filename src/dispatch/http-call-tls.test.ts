import https from 'node:https'
import tls from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { caller, fault, post, response } from '#test/support/calls.ts'
import { closed, httpServer, listen, tcpServer } from '#test/support/local-servers.ts'
import { selfSigned } from '#test/support/self-signed.ts'

const handler = selfSigned('handler.test')
const resolve = async () => [{ address: '127.0.0.1', family: 4 }]

const httpsServer = (options: https.ServerOptions) =>
  listen(
    https.createServer(options, (_request, reply) => reply.end('{}')),
    'https',
  )

// Trust is a matter of the process (NODE_EXTRA_CA_CERTS for an operator), so it is one here.
const trusted = tls.getCACertificates('default')
beforeAll(() => tls.setDefaultCACertificates([...trusted, handler.cert]))
afterAll(() => tls.setDefaultCACertificates(trusted))

test('a handler with a trusted certificate is called, and the TLS handshake counts as connecting', async () => {
  const { port } = await httpsServer(handler)
  const { call } = caller({ resolve })
  const first = response(await call(post(`https://handler.test:${port}/`)))
  expect(first).toMatchObject({ status: 200, json: {} })
  expect(first.timings.connectMs).toBeGreaterThan(0)
  expect(response(await call(post(`https://handler.test:${port}/`))).timings.connectMs).toBe(0)
})

test('a certificate for another name is a TLS fault', async () => {
  const { port } = await httpsServer(handler)
  const outcome = fault(await caller({ resolve }).call(post(`https://other.test:${port}/`)))
  expect(outcome).toMatchObject({ reason: 'tls', message: expect.stringContaining('other.test') })
})

test('a certificate nobody trusts is a TLS fault', async () => {
  const { port } = await httpsServer(selfSigned('handler.test'))
  expect(fault(await caller({ resolve }).call(post(`https://handler.test:${port}/`))).reason).toBe('tls')
})

test('TLS 1.1 is too old', async () => {
  const { port } = await httpsServer({
    ...handler,
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  })
  expect(fault(await caller({ resolve }).call(post(`https://handler.test:${port}/`))).reason).toBe('tls')
})

test('plain HTTP where TLS was expected is a TLS fault', async () => {
  const { port } = await httpServer((_request, reply) => reply.end())
  expect(fault(await caller().call(post(`https://127.0.0.1:${port}/`))).reason).toBe('tls')
})

test('a TLS handshake that does not finish is bounded by the connect timeout', async () => {
  const { port, connections } = await tcpServer(() => {})
  const outcome = fault(await caller({ connectTimeoutMs: 200 }).call(post(`https://127.0.0.1:${port}/`)))
  expect(outcome).toMatchObject({ reason: 'tls', message: 'no TLS handshake within 200 ms' })
  expect(outcome.timings.connectMs).toBeGreaterThan(190)
  await closed(connections[0]!)
})

test('a TLS handshake that is cut off is a TLS fault', async () => {
  const { port } = await tcpServer((socket) => socket.once('data', () => socket.end()))
  expect(fault(await caller().call(post(`https://127.0.0.1:${port}/`))).reason).toBe('tls')
})
