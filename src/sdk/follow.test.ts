import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { httpServer } from '#test/support/local-servers.ts'
import { createClient } from './client.ts'
import { RunyardError } from './error.ts'

type Log = { events: { sequence: number; type: string }[]; over: boolean }

const chars = (text: string): string => `data: ${text}\n\n`
const message = (event: Log['events'][number]): string =>
  `id: ${event.sequence}\nevent: ${event.type}\n${chars(JSON.stringify(event))}`

/** A server with one run's log. Each connection is answered by the next of `connections`, the last again and again. */
async function yard(log: Log, ...connections: ((response: ServerResponse, after: number) => void)[]) {
  const asked: number[] = []
  const { url } = await httpServer((request, response) => {
    if (!request.url?.includes('/stream')) {
      const finished_at = log.over ? '2026-01-01T00:00:00.000Z' : null
      response.end(JSON.stringify({ id: 'r', finished_at, last_sequence: log.events.at(-1)?.sequence ?? 0 }))
      return
    }
    const after = Number(request.headers['last-event-id'])
    asked.push(after)
    connections[Math.min(asked.length, connections.length) - 1]?.(response, after)
  })
  return { asked, client: createClient({ baseUrl: url, credential: 'k' }) }
}

const logOf = (count: number): Log => ({
  events: Array.from({ length: count }, (_, index) => ({ sequence: index + 1, type: 'log' })),
  over: true,
})
const after = (log: Log, sequence: number) => log.events.filter((event) => event.sequence > sequence)

/** Sends `count` whole events and half of the next, and is gone. */
const breakAfter = (log: Log, count: number) => (response: ServerResponse, sequence: number) => {
  const rest = after(log, sequence)
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const half = rest[count] ? message(rest[count]).slice(0, 25) : ''
  response.write(rest.slice(0, count).map(message).join('') + half, () => response.destroy())
}
const endAfter = (log: Log, count: number) => (response: ServerResponse, sequence: number) =>
  void response.writeHead(200).end(after(log, sequence).slice(0, count).map(message).join(''))
const refuse = (status: number, code: string) => (response: ServerResponse) =>
  void response.writeHead(status).end(JSON.stringify({ error: { code, message: 'No.' } }))

async function sequences(events: AsyncIterable<{ sequence: number | null }>): Promise<(number | null)[]> {
  const got: (number | null)[] = []
  for await (const event of events) got.push(event.sequence)
  return got
}
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

test('a follower gets all events of a run, and ends with it', async () => {
  const log = logOf(5)
  const { client, asked } = await yard(log, endAfter(log, 5))
  expect(await sequences(client.follow('r'))).toEqual(upTo(5))
  expect(asked).toEqual([0])
})

test('a follower that starts after a sequence gets only later events', async () => {
  const log = logOf(5)
  const { client } = await yard(log, endAfter(log, 5))
  expect(await sequences(client.follow('r', { afterSequence: 3 }))).toEqual([4, 5])
})

test('broken connections, even in the middle of an event, lose nothing and repeat nothing', async () => {
  const log = logOf(9)
  const { client, asked } = await yard(
    log,
    breakAfter(log, 2),
    breakAfter(log, 0),
    refuse(503, 'unavailable'),
    breakAfter(log, 4),
    endAfter(log, 9),
  )
  expect(await sequences(client.follow('r'))).toEqual(upTo(9))
  expect(asked).toEqual([0, 2, 2, 2, 6])
})

test('a stream that ends before the run does is opened again', async () => {
  const log = { ...logOf(4), over: false }
  const { client, asked } = await yard(log, endAfter(log, 1), endAfter(log, 1), (response, sequence) => {
    log.over = true
    endAfter(log, 9)(response, sequence)
  })
  expect(await sequences(client.follow('r'))).toEqual(upTo(4))
  expect(asked).toEqual([0, 1, 2])
})

test('a duplicate from the server is not passed on', async () => {
  const log = logOf(3)
  const { client } = await yard(
    log,
    (response) => void response.end([...log.events, ...log.events].map(message).join('')),
  )
  expect(await sequences(client.follow('r'))).toEqual(upTo(3))
})

test('a follower does not wait for events that never come after the run has ended', async () => {
  const log = logOf(3)
  const { client } = await yard(log, endAfter({ ...log, events: log.events.slice(0, 2) }, 9))
  expect(await sequences(client.follow('r'))).toEqual([1, 2])
})

test('following a run that does not exist is an error', async () => {
  const { client, asked } = await yard(logOf(0), refuse(404, 'run_not_found'))
  await expect(sequences(client.follow('r'))).rejects.toMatchObject({ code: 'run_not_found' })
  await expect(sequences(client.follow('r'))).rejects.toBeInstanceOf(RunyardError)
  expect(asked).toHaveLength(2)
})

test("the caller's signal ends following", async () => {
  const enough = new AbortController()
  const log = logOf(2)
  const { client } = await yard(log, (response) => void response.write(log.events.map(message).join('')))
  const got: unknown[] = []
  const reason = new Error('enough')
  const reading = (async () => {
    for await (const event of client.follow('r', { signal: enough.signal })) {
      got.push(event.sequence)
      if (got.length === 2) enough.abort(reason)
    }
  })()
  await expect(reading).rejects.toBe(reason)
  expect(got).toEqual([1, 2])
})

test('a follower that stops reading closes the connection', async () => {
  const log = logOf(2)
  const { promise: gone, resolve } = Promise.withResolvers<void>()
  const { client } = await yard(log, (response) => {
    response.write(log.events.map(message).join(''))
    response.on('close', () => resolve())
  })
  for await (const _ of client.follow('r')) break
  await gone
})
