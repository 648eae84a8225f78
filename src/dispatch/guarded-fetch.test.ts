import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { closedPort, httpServer } from '#test/support/local-servers.ts'
import { makeGuardedFetch } from './guarded-fetch.ts'

const BOUNDS = { bodyBytesMax: 1_000, timeoutMs: 5_000 }

function fetchWithin(bounds: Partial<typeof BOUNDS> = {}, egress: 'any' | 'public' = 'any') {
  const made = makeGuardedFetch({ egress })
  onTestFinished(made.close)
  return made.within({ ...BOUNDS, ...bounds })
}

test('a request and its answer go through as they are', async () => {
  const { url } = await httpServer(async (request, response) => {
    response.setHeader('x-told', String(request.headers['x-said']))
    response.writeHead(201).end(`${request.method} ${await text(request)}`)
  })
  const answer = await fetchWithin()(url, { method: 'POST', body: 'hello', headers: { 'x-said': 'this' } })
  expect([answer.status, answer.headers.get('x-told'), await answer.text()]).toEqual([201, 'this', 'POST hello'])
})

test('private addresses are refused, as literals and behind names', async () => {
  const { url, port } = await httpServer((_, response) => response.end())
  const guarded = fetchWithin({}, 'public')
  await expect(guarded(url)).rejects.toThrow('not public')
  await expect(guarded(`http://localhost:${port}/`)).rejects.toThrow('private name')
  await expect(guarded('http://169.254.169.254/')).rejects.toThrow('metadata')
  const resolving = makeGuardedFetch({ egress: 'public', resolve: async () => [{ address: '127.0.0.1', family: 4 }] })
  onTestFinished(resolving.close)
  await expect(resolving.within(BOUNDS)(`http://example.com:${port}/`)).rejects.toThrow('resolves to 127.0.0.1')
})

test('redirects are not followed, and compressed answers not read', async () => {
  const moved = await httpServer((_, response) => response.writeHead(302, { location: 'http://example.com/' }).end())
  await expect(fetchWithin()(moved.url)).rejects.toThrow('it answered 302, and redirects are not followed')
  const packed = await httpServer((_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'))
  await expect(fetchWithin()(packed.url)).rejects.toThrow('encoded as gzip')
})

test('a body beyond the bound is an error, whether its length was announced or not', async () => {
  const announced = await httpServer((_, response) => response.end('x'.repeat(1_001)))
  await expect(fetchWithin()(announced.url)).rejects.toThrow('larger than 1000 bytes')
  const streamed = await httpServer((_, response) => {
    response.write('x'.repeat(600))
    response.end('x'.repeat(600))
  })
  const answer = await fetchWithin()(streamed.url)
  await expect(answer.text()).rejects.toThrow('larger than 1000 bytes')
})

test('a POST ends in time, also when its answer has begun', async () => {
  const { url } = await httpServer((_, response) => void response.write('begun'))
  const answer = await fetchWithin({ timeoutMs: 100 })(url, { method: 'POST' })
  await expect(answer.text()).rejects.toThrow(/time/i)
})

test('what is wrong with a connection is said', async () => {
  await expect(fetchWithin()(`http://127.0.0.1:${await closedPort()}/`)).rejects.toThrow('ECONNREFUSED')
})
