// How the server meets callers that guess, smuggle or break lines.
import { connect as openSocket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { holdBackWrongKeys } from '#access/wrong-keys.ts'
import { callerOf, httpYard, KEY } from '#test/support/http-yard.ts'

/** What a server answers to these bytes, up to the end of the connection. */
const said = (address: string, request: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(address)
    let text = ''
    const socket = openSocket(Number(port), hostname, () => socket.write(request))
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.on('end', () => resolve(text)).on('error', reject)
  })

const tookMs = async (work: () => Promise<unknown>): Promise<number> => {
  const beganMs = performance.now()
  await work()
  return performance.now() - beganMs
}

describe('wrong keys', () => {
  test('wrong keys are answered more and more slowly, while valid ones from the same address are answered immediately', async () => {
    const { address, call } = await httpYard()
    await call('GET', '/v1/me')
    const guess = (n: number) => callerOf(address, `ry_guess_${n}`)('GET', '/v1/me')
    for (let n = 0; n < 10; n++) expect((await guess(n)).status).toBe(401)
    const slow = tookMs(async () => {
      for (let n = 10; n < 20; n++) expect((await guess(n)).status).toBe(401)
    })
    // Made only now, so that no node remembers it.
    const fresh = await call('POST', '/v1/keys', { name: 'k', scopes: ['runs:read'] })
    const good = await tookMs(async () => {
      for (let n = 0; n < 10; n++) {
        expect((await callerOf(address, fresh.body.key)('GET', '/v1/me')).status).toBe(200)
        expect((await call('GET', '/v1/me')).status).toBe(200)
      }
    })
    expect(await slow).toBeGreaterThan(50 + 100 + 150 + 200 + 250 + 300 + 350 + 400 + 450 + 500 - 50)
    expect(good).toBeLessThan(2_000)
  })

  test('many wrong keys at once are refused without delay, and their addresses are not remembered forever', async () => {
    const holdBack = holdBackWrongKeys()
    for (let n = 0; n < 30; n++) void holdBack('192.0.2.1', `k${n}`)
    const answers = await Promise.allSettled(Array.from({ length: 120 }, (_, n) => holdBack('192.0.2.1', `more${n}`)))
    expect(answers.filter((it) => it.status === 'rejected')).toHaveLength(40)
    // Another address is not slowed by it; all of one IPv6 network is.
    expect(await tookMs(() => holdBack('192.0.2.2', 'k'))).toBeLessThan(20)
    for (let n = 0; n < 20; n++) void holdBack(`2001:db8::${n.toString(16)}`, `k${n}`)
    expect(await tookMs(() => holdBack('2001:db8::ffff', 'k'))).toBeGreaterThan(400)
  })
})

test.each(['Host: evil.example', 'Authorization: Bearer other', 'Idempotency-Key: b', 'X-API-Key: other'])(
  'a request with a duplicated header is refused: %s',
  async (line) => {
    const { address } = await httpYard()
    const name = line.split(':')[0]!
    const first = { Host: new URL(address).host, Authorization: `Bearer ${KEY}`, [name]: 'first' } as Record<
      string,
      string
    >
    first.Host = new URL(address).host
    const head = Object.entries(first).map(([key, value]) => `${key}: ${value}`)
    const reply = await said(
      address,
      `GET /v1/me HTTP/1.1\r\n${head.join('\r\n')}\r\n${line}\r\nConnection: close\r\n\r\n`,
    )
    expect(reply).toMatch(/^HTTP\/1\.1 400 /)
    expect(reply).toContain(`The header ${name.toLowerCase()} was sent twice.`)
  },
)

test('responses must not be cached, or interpreted as another type', async () => {
  const { address, call } = await httpYard()
  const replies = [
    await call('GET', '/v1/me'),
    await call('POST', '/v1/keys', { name: 'k', scopes: ['runs:read'] }),
    await call('GET', '/v1/me', undefined, { key: 'ry_wrong' }),
    await call('POST', '/v1/jobs', '{'),
    await call('GET', '/nowhere'),
    await call('GET', '/v1/jobs/%ff'),
    await call('GET', '/openapi.json'),
    await call('GET', '/strait/v1/runs'),
    await call('GET', '/onceonly/v1/me'),
    await call('GET', '/dynamiq/v1/runs'),
    await call('GET', '/vai/api/v1/events'),
  ]
  for (const { headers, status } of replies)
    expect([headers.get('cache-control'), headers.get('x-content-type-options')], `${status}`).toEqual([
      'no-store',
      'nosniff',
    ])
  expect(await said(address, 'NONSENSE\r\n\r\n')).toMatch(/Cache-Control: no-store\r\nX-Content-Type-Options: nosniff/)
})

test.each(['a\nb', 'a\r\nX: 1', 'tab\tin', 'nul\u0000', 'del\u007f', 'c1\u0085', 'line\u2028'])(
  'no run is created with an id that breaks lines: %j',
  async (runId) => {
    const { call } = await httpYard()
    const reported = await call('POST', '/v1/events', { run_id: runId, type: 'a.b' })
    expect([reported.status, reported.body.error?.code]).toEqual([422, 'invalid'])
    expect(JSON.stringify(reported.body.error.details)).toContain('run_id')
    const ended = await call('POST', '/v1/events', { run_id: runId, type: 'run.completed' })
    expect(ended.status).toBe(422)
    const many = await call('POST', '/v1/events', [
      { run_id: 'good', type: 'a.b' },
      { run_id: runId, type: 'a.b' },
    ])
    expect(many.body.results).toMatchObject([{ sequence: 1 }, { error: { code: 'invalid' } }])
    const once = await call('POST', '/onceonly/v1/events', { run_id: runId, type: 'a', step: 's' })
    expect(once.status).toBe(422)
    for (const body of [
      { key: runId, ttl: 60 },
      { key: 'k', ttl: 60, metadata: { run_id: runId } },
    ])
      expect((await call('POST', '/onceonly/v1/ai/lease', body)).status).toBe(422)
    const runs = (await call('GET', '/v1/runs')).body.data as { id: string }[]
    expect(runs.map((run) => run.id)).toEqual(['good'])
  },
)
