import { expect, test } from 'vitest'
import { caller, fault, post, response } from '#test/support/calls.ts'
import { httpServer } from '#test/support/local-servers.ts'

const PUBLIC = { address: '8.8.8.8', family: 4 }
const LOCAL = { address: '127.0.0.1', family: 4 }

/** Answers with the next of `answers` at each question, the last one for ever. */
function changing(...answers: (typeof LOCAL)[][]) {
  const asked: string[] = []
  const resolve = async (hostname: string) => answers[Math.min(asked.push(hostname), answers.length) - 1]!
  return { resolve, asked }
}

test.each(['127.0.0.1', '2130706433', '0x7f.1', '0177.0.0.1', '127.1', '[::ffff:127.0.0.1]', 'localhost', '[::1]'])(
  'in mode public, a host written as %s is refused without a connection',
  async (host) => {
    const { port, connections } = await httpServer((_request, reply) => reply.end())
    expect(fault(await caller({ egress: 'public' }).call(post(`http://${host}:${port}/`))).reason).toBe(
      'refused_address',
    )
    expect(connections).toHaveLength(0)
  },
)

test('in mode public, a name that became private after its check is refused when dialing', async () => {
  const { port, connections } = await httpServer((_request, reply) => reply.end())
  const { resolve, asked } = changing([PUBLIC], [LOCAL])
  await resolve('rebind.test') // The check at creation saw the public address.
  const outcome = fault(await caller({ egress: 'public', resolve }).call(post(`http://rebind.test:${port}/`)))
  expect(outcome).toMatchObject({ reason: 'refused_address', message: expect.stringContaining('127.0.0.1') })
  expect(asked).toEqual(['rebind.test', 'rebind.test'])
  expect(connections).toHaveLength(0)
})

test('in mode public, one private address among public ones refuses the name, in any order', async () => {
  const { port, connections } = await httpServer((_request, reply) => reply.end())
  for (const answer of [
    [PUBLIC, LOCAL],
    [LOCAL, PUBLIC],
  ]) {
    const { call } = caller({ egress: 'public', resolve: changing(answer).resolve })
    expect(fault(await call(post(`http://mixed.test:${port}/`))).reason).toBe('refused_address')
  }
  expect(connections).toHaveLength(0)
})

test('one connection resolves the name once, and connects to an address of that answer', async () => {
  const { port, connections } = await httpServer((request, reply) => reply.end(`"${request.headers.host}"`))
  // Were the name asked for again, between check and dial or for the second call, this would go astray.
  const { resolve, asked } = changing([LOCAL], [{ address: '127.0.0.2', family: 4 }])
  const { call } = caller({ resolve })
  for (let calls = 0; calls < 3; calls++) {
    expect(response(await call(post(`http://handler.test:${port}/`))).json).toBe(`handler.test:${port}`)
  }
  expect(asked).toEqual(['handler.test'])
  expect(connections).toHaveLength(1)
})

test('every new connection is checked again', async () => {
  const { port, connections } = await httpServer((_request, reply) => reply.setHeader('connection', 'close').end('{}'))
  const { resolve } = changing([LOCAL], [{ address: '169.254.169.254', family: 4 }])
  const { call } = caller({ resolve })
  expect(response(await call(post(`http://handler.test:${port}/`))).status).toBe(200)
  expect(fault(await call(post(`http://handler.test:${port}/`))).reason).toBe('refused_address')
  expect(connections).toHaveLength(1)
})

test('in mode any, metadata services are refused by address, by name and behind a name', async () => {
  const { resolve } = changing([{ address: '169.254.169.254', family: 4 }])
  const { call } = caller({ egress: 'any', resolve })
  for (const host of ['169.254.169.254', '[::ffff:a9fe:a9fe]', 'metadata.google.internal', 'innocent.test']) {
    expect(fault(await call(post(`http://${host}/latest/meta-data/`))).reason).toBe('refused_address')
  }
})

test('a redirect to a private address is returned, not followed', async () => {
  const inner = await httpServer((_request, reply) => reply.end('secret'))
  const outer = await httpServer((_request, reply) => reply.writeHead(302, { location: inner.url }).end())
  expect(response(await caller().call(post(outer.url))).status).toBe(302)
  expect(inner.connections).toHaveLength(0)
})

test('a URL with credentials or another scheme is refused when called, as when the job is created', async () => {
  for (const url of ['http://user:secret@127.0.0.1/', 'ftp://127.0.0.1/', 'file:///etc/passwd']) {
    const outcome = fault(await caller().call(post(url)))
    expect(outcome.reason).toBe('refused_address')
    expect(outcome.message).not.toContain('secret')
  }
})
