import { expect, test } from 'vitest'
import { testDatabase } from '../../support/db.ts'
import { callerOf, httpYard, KEY, openNode, until } from '../../support/http-yard.ts'
import { startNode } from '../../support/processes.ts'
import { type Frame, watch } from '../../support/sse-client.ts'

test('a stream begins with the first event, continues live, and ends after the event that ended the run', async () => {
  const { call, address } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const run = (await call('POST', '/v1/jobs/j/runs', {})).body
  const frames: Frame[] = []
  const watching = watch({
    url: `${address}/v1/runs/${run.id}/stream`,
    key: KEY,
    onFrame: (frame) => frames.push(frame),
  })
  const [claimed] = (await call('POST', '/v1/workers/claim', { worker_id: 'w' })).body.runs
  const own = callerOf(address, claimed.run_token)
  await own('POST', `/v1/runs/${run.id}/log`, { message: 'line one\nline two' })
  await own('POST', `/v1/runs/${run.id}/stream`, { chunk: 'wo', stream_id: 's' })
  await own('POST', `/v1/runs/${run.id}/complete`, { result: 1 })
  expect(await watching.ended).toBe('ended')
  expect(frames.map(({ id, event }) => [id, event])).toEqual([
    ['1', 'run.created'],
    ['2', 'run.started'],
    ['3', 'log'],
    ['4', 'stream.chunk'],
    ['5', 'run.completed'],
  ])
  expect(JSON.parse(frames[2]!.data)).toMatchObject({
    sequence: 3,
    type: 'log',
    message: 'line one\nline two',
    run_id: run.id,
  })
  // A run that is over is told again, from wherever it is asked, and closed.
  const again: Frame[] = []
  expect(
    await watch({
      url: `${address}/v1/runs/${run.id}/stream?after_sequence=3&deltas=false`,
      key: KEY,
      onFrame: (frame) => again.push(frame),
    }).ended,
  ).toBe('ended')
  expect(again.map((frame) => frame.id)).toEqual(['5'])
  const chunks: Frame[] = []
  await watch({ url: `${address}/v1/runs/${run.id}/stream/chunks`, key: KEY, onFrame: (frame) => chunks.push(frame) })
    .ended
  expect(chunks.map((frame) => JSON.parse(frame.data))).toEqual([{ chunk: 'wo', stream_id: 's', done: false }])
})

test("the project's feed sends what is committed on any node, and resumes where it was cut off", async () => {
  const { address, url } = await httpYard()
  const other = callerOf((await openNode(url)).address)
  const frames: Frame[] = []
  const onFrame = (frame: Frame) => void frames.push(frame)
  const first = watch({ url: `${address}/v1/events/stream?type=a.b`, key: KEY, onFrame })
  await first.status
  for (let i = 0; i < 3; i++) await other('POST', '/v1/events', { type: 'a.b', data: { i } })
  await other('POST', '/v1/events', { type: 'not.wanted' })
  await until(
    async () => frames.length,
    (n) => n === 3,
  )
  first.cut()
  for (let i = 3; i < 6; i++) await other('POST', '/v1/events', { type: 'a.b', data: { i } })
  const second = watch({
    url: `${address}/v1/events/stream?type=a.b`,
    key: KEY,
    lastEventId: frames.at(-1)!.id,
    onFrame,
  })
  await until(
    async () => frames.length,
    (n) => n === 6,
  )
  second.cut()
  expect(frames.map((frame) => JSON.parse(frame.data).data.i)).toEqual([0, 1, 2, 3, 4, 5])
})

test("a client that is cut off at 300 random moments, with the writer on another node and the reader's node killed in between, sees every event once", {
  timeout: 120_000,
}, async () => {
  const { url } = await testDatabase()
  const env = { DATABASE_URL: url, PORT: '0', RUNYARD_EGRESS: 'any', RUNYARD_API_KEY: KEY }
  const writer = callerOf((await openNode(url)).address)
  let reader = startNode('test/support/node-process.ts', [], { env })
  let readerAddress = (await reader.line(/ready at (\S+)/))[1]!
  const seen: string[] = []
  let over = false
  let cuts = 0
  let writing = true
  const total = { events: 0 }

  const write = (async () => {
    // Slow enough to last as long as the cuts, in batches of random size so that pages and rings fall apart.
    while (cuts < 300) {
      const size = 1 + Math.floor(Math.random() * 20)
      await writer(
        'POST',
        '/v1/events',
        Array.from({ length: size }, () => ({ type: 'a.b', run_id: 'long run' })),
      )
      total.events += size
    }
    await writer('POST', '/v1/events', { type: 'run.completed', run_id: 'long run' })
    total.events++
    writing = false
  })()
  await until(
    async () => total.events,
    (n) => n > 0,
  )

  while (!over) {
    const watching = watch({
      url: `${readerAddress}/v1/runs/${encodeURIComponent('long run')}/stream`,
      key: KEY,
      lastEventId: seen.at(-1),
      onFrame: (frame) => {
        seen.push(frame.id)
        over ||= frame.event === 'run.completed'
      },
    })
    const cutAfterMs = Math.random() * 30
    const timer = setTimeout(watching.cut, writing ? cutAfterMs : 20_000)
    await watching.ended
    clearTimeout(timer)
    cuts++
    if (cuts === 100 || cuts === 200) {
      await reader.kill()
      reader = startNode('test/support/node-process.ts', [], { env })
      readerAddress = (await reader.line(/ready at (\S+)/))[1]!
    }
  }
  await write
  expect(cuts).toBeGreaterThanOrEqual(300)
  expect(seen).toEqual(Array.from({ length: total.events }, (_, i) => String(i + 1)))
})

test("another project's run cannot be followed, and an invalid position is refused", async () => {
  const { call, address } = await httpYard()
  const stranger = (await call('POST', '/v1/projects', { id: 'stranger' })).body.key
  await call('POST', '/v1/events', { type: 'a.b', run_id: 'r' })
  const path = '/v1/runs/r/stream'
  expect((await callerOf(address, stranger)('GET', path)).status).toBe(404)
  expect((await call('GET', path, undefined, { headers: { 'last-event-id': 'x' } })).status).toBe(422)
  expect((await call('GET', '/v1/events/stream?after=x')).status).toBe(400)
})

test('an event of a run belongs to the chain of its run, whatever it says itself', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/events', { type: 'a.b', run_id: 'r', correlation_id: 'chain' })
  await call('POST', '/v1/events', { type: 'c.d', run_id: 'r', correlation_id: 'another' })
  const chain = (await call('GET', '/v1/events?correlation_id=chain&order=asc')).body.data
  expect(chain.map((it: { type: string }) => it.type)).toEqual(['a.b', 'c.d'])
  expect((await call('GET', '/v1/events?correlation_id=another')).body.data).toEqual([])
})
