import { connect as dial, type Socket } from 'node:net'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { follow, streamSuite, to } from '#test/support/builders/run-streams.ts'
import {
  addChunks,
  addRun,
  addSteps,
  askedThrough,
  type LogRun,
  moveRun,
  prepareLog,
  startRun,
} from '#test/support/log.ts'
import type { StreamNode } from '#test/support/stream-node.ts'

const { sql, url, jobId, openNode, step, end } = await streamSuite()
afterEach(() => void vi.useRealTimers())

describe('the stream of a run', () => {
  test('a stream starts at the beginning, continues live, and ends after the event that ended the run', async () => {
    const node = await openNode()
    const run = await addRun(sql, jobId)
    const client = follow(node, run)
    await vi.waitFor(() => expect(client.ids()).toEqual([1]), 10_000)
    await step(node, run, 2)
    await vi.waitFor(() => expect(client.ids()).toEqual([1, 2, 3]), 10_000)
    await end(node, run)
    expect(await client.ended).toBe('ended')
    expect(client.frames.map((frame) => frame.event)).toEqual(['run.created', 'step.done', 'step.done', 'run.canceled'])
    expect(JSON.parse(client.frames[1]!.data)).toMatchObject({ type: 'step.done', sequence: 2, runId: run.runId })
    expect(node.live.count()).toBe(0)
  })

  test('a stream tells clients and proxies how to treat it, before the first event', async () => {
    const node = await openNode()
    const run = await addRun(sql, jobId)
    const response = await fetch(`${node.address}/${run.projectId}/runs/${run.runId}/stream?after=1`)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    })
    const { value } = await response.body!.getReader().read()
    expect(new TextDecoder().decode(value)).toBe('retry: 1000\n\n')
  })

  test('a stream resumes after the last event that the client has seen', async () => {
    const node = await openNode()
    const run = await addRun(sql, jobId)
    await step(node, run, 500)
    const client = follow(node, run, { lastEventId: '3' })
    await vi.waitFor(() => expect(client.ids()).toEqual(to(501, 4)), 10_000)
    await end(node, run)
    await client.ended
    expect(client.ids()).toEqual(to(502, 4))
  })

  test('the stream of an ended run sends what is left and ends; nothing is left when all was seen', async () => {
    const node = await openNode()
    const run = await addRun(sql, jobId)
    await end(node, run)
    const [all, rest, none, beyond] = [undefined, '1', '2', '99'].map((lastEventId) =>
      follow(node, run, lastEventId === undefined ? {} : { lastEventId }),
    )
    for (const client of [all, rest, none, beyond]) expect(await client!.ended).toBe('ended')
    expect([all, rest, none, beyond].map((client) => client!.ids())).toEqual([[1, 2], [2], [], []])
  })

  test('a client that claims to have seen later events waits for newer ones', async () => {
    const node = await openNode()
    const run = await addRun(sql, jobId)
    const client = follow(node, run, { lastEventId: '7' })
    await client.status
    await step(node, run)
    await vi.waitFor(() => expect(client.ids()).toEqual([2]), 10_000)
  })

  test('a stream ends at a dead letter; after a redrive it continues past the dead letter', async () => {
    const node = await openNode()
    const ownJob = await prepareLog(sql)
    const run = await addRun(sql, ownJob)
    await startRun(sql, ownJob)
    const before = follow(node, run)
    await moveRun(sql, run.runId, 'bury')
    node.bell.ring([`run:${run.runId}`])
    expect(await before.ended).toBe('ended')
    expect(before.frames.at(-1)!.event).toBe('run.dead_lettered')

    await moveRun(sql, run.runId, 'redrive')
    const [whole, resumed] = [follow(node, run), follow(node, run, { lastEventId: before.frames.at(-1)!.id })]
    await vi.waitFor(() => expect([whole.ids(), resumed.ids()]).toEqual([[1, 2, 3, 4], [4]]), 10_000)
    await end(node, run)
    for (const client of [whole, resumed]) expect(await client.ended).toBe('ended')
    expect([whole.ids(), resumed.ids()]).toEqual([to(5), [4, 5]])
  })

  test('a stream of chunks alone uses the sequence of the run, and ends with the run', async () => {
    const node = await openNode()
    const run = await addRun(sql, jobId)
    await addChunks(sql, run.runId, ['a', 'b'])
    const client = follow(node, run, { path: 'chunks' })
    const events = follow(node, run)
    await vi.waitFor(() => expect(client.ids()).toEqual([2, 3]), 10_000)
    await step(node, run)
    await addChunks(sql, run.runId, ['c'])
    node.bell.ring([`run:${run.runId}`])
    await vi.waitFor(() => expect(client.ids()).toEqual([2, 3, 5]), 10_000)
    await end(node, run)
    expect(await client.ended).toBe('ended')
    await events.ended
    expect([client.ids(), events.ids()]).toEqual([
      [2, 3, 5],
      [1, 4, 6],
    ])
  })

  test('the stream of a run that retention deleted ends', async () => {
    const node = await openNode()
    const run = await addRun(sql, jobId)
    const client = follow(node, run)
    await vi.waitFor(() => expect(client.ids()).toEqual([1]), 10_000)
    await sql`delete from run_states where run_id = ${run.runId}`
    node.bell.ring([`run:${run.runId}`])
    expect(await client.ended).toBe('ended')
  })
})

describe('a slow client', () => {
  /** It asks, and takes nothing until it is told to. */
  async function dialIn(node: StreamNode, run: LogRun): Promise<Socket> {
    const socket = dial(node.port, '127.0.0.1').pause()
    onTestFinished(() => void socket.destroy())
    socket.write(`GET /${run.projectId}/runs/${run.runId}/stream HTTP/1.1\r\nHost: node\r\n\r\n`)
    await vi.waitFor(() => expect(node.live.count()).toBe(1), 10_000)
    return socket
  }

  async function addLargeSteps(run: LogRun, times: number): Promise<void> {
    for (let i = 0; i < times / 10; i++)
      await addSteps(
        sql,
        Array.from({ length: 10 }, () => run),
        { text: 'x'.repeat(100_000) },
      )
  }

  test('a slow client has one page buffered, however much there is, and gets everything once it reads', {
    timeout: 60_000,
  }, async () => {
    const { sql: own, asked } = askedThrough(url)
    const node = await openNode({ sql: own })
    const run = await addRun(sql, jobId)
    await addLargeSteps(run, 400)
    const held: Socket[] = []
    node.server.on('connection', (socket) => held.push(socket))
    const socket = await dialIn(node, run)
    // Until it asks for no more: what the kernel takes for it is some megabytes.
    let before = 0
    await vi.waitFor(
      () => {
        const now = asked.length
        const stands = now > 2 && now === before
        before = now
        expect(stands).toBe(true)
      },
      { timeout: 20_000, interval: 200 },
    )
    expect(asked.length).toBeLessThan(100)
    expect(held[0]!.writableLength).toBeLessThan(2 * 262_144)
    const ids: number[] = []
    let rest = ''
    socket.on('data', (piece) => {
      const lines = (rest + piece).split('\n')
      rest = lines.pop()!
      ids.push(...lines.filter((line) => line.startsWith('id: ')).map((line) => Number(line.slice(4))))
    })
    socket.resume()
    await vi.waitFor(() => expect(ids).toHaveLength(401), { timeout: 20_000 })
    expect(ids).toEqual(to(401))
  })

  test('a client that reads nothing for a minute is dropped', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const node = await openNode()
    const run = await addRun(sql, jobId)
    await addLargeSteps(run, 300)
    await dialIn(node, run)
    await vi.waitFor(() => {
      vi.advanceTimersByTime(10_000)
      expect(node.live.count()).toBe(0)
    }, 20_000)
  })
})

describe('heartbeats of a stream', () => {
  test('a heartbeat is sent after fifteen seconds without an event, and each event postpones it', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const node = await openNode()
    const run = await addRun(sql, jobId)
    const response = await fetch(`${node.address}/${run.projectId}/runs/${run.runId}/stream?after=1`)
    let text = ''
    void (async () => {
      for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) text += piece
    })().catch(() => {})
    const beats = () => text.split(': heartbeat\n\n').length - 1
    vi.advanceTimersByTime(10_000)
    await step(node, run)
    await vi.waitFor(() => expect(text).toContain('id: 2\n'), 10_000)
    vi.advanceTimersByTime(10_000)
    await step(node, run)
    await vi.waitFor(() => expect(text).toContain('id: 3\n'), 10_000)
    expect(beats()).toBe(0)
    vi.advanceTimersByTime(15_000)
    await vi.waitFor(() => expect(beats()).toBe(1), 10_000)
    vi.advanceTimersByTime(30_000)
    await vi.waitFor(() => expect(beats()).toBe(3), 10_000)
    // They change nothing about the place.
    expect(text.endsWith(': heartbeat\n\n')).toBe(true)
  })
})
