import { connect as dial, type Socket } from 'node:net'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { connect, type Sql } from '#postgres/sql.ts'
import { moveRuns } from '#run-state/move/move-runs.sql.ts'
import { suiteDatabase, testDatabase } from '#test/support/db.ts'
import {
  ACTOR,
  addChunks,
  addRun,
  addSteps,
  askedThrough,
  type LogRun,
  moveRun,
  prepareLog,
  startRun,
} from '#test/support/log.ts'
import { type Frame, watch } from '#test/support/sse-client.ts'
import { type StreamNode, type StreamNodeOptions, startStreamNode } from '#test/support/stream-node.ts'

const { sql, url } = await suiteDatabase()
const jobId = await prepareLog(sql)
afterEach(() => void vi.useRealTimers())

/** No test waits for it. */
const NEVER_MS = 3_600_000

async function openNode(options: Partial<StreamNodeOptions> = {}): Promise<StreamNode> {
  const node = await startStreamNode({ url, tickMs: NEVER_MS, log: () => {}, ...options })
  onTestFinished(() => node.close())
  return node
}

type Client = ReturnType<typeof watch> & { frames: Frame[]; ids: () => number[] }

function follow(
  node: StreamNode,
  run: LogRun,
  { path = 'stream', lastEventId }: { path?: string; lastEventId?: string } = {},
): Client {
  const frames: Frame[] = []
  const onFrame = (frame: Frame) => void frames.push(frame)
  const client = watch({
    url: `${node.address}/${run.projectId}/runs/${run.runId}/${path}`,
    key: '',
    lastEventId,
    onFrame,
  })
  onTestFinished(() => client.cut())
  return { ...client, frames, ids: () => frames.map((frame) => Number(frame.id)) }
}

const to = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, i) => first + i)

/** As writers do: after the commit, from whatever process. */
async function step(node: StreamNode, run: LogRun, times = 1): Promise<void> {
  await addSteps(
    sql,
    Array.from({ length: times }, () => run),
  )
  node.bell.ring([`run:${run.runId}`])
}

async function end(node: StreamNode, run: LogRun): Promise<void> {
  await moveRun(sql, run.runId, 'cancel')
  node.bell.ring([`run:${run.runId}`])
}

describe('the stream of a run', () => {
  test('a stream starts at the beginning, continues live, and ends after the event that ended the run', async () => {
    const node = await openNode()
    const run = await addRun(sql, jobId)
    const client = follow(node, run)
    await vi.waitFor(() => expect(client.ids()).toEqual([1]))
    await step(node, run, 2)
    await vi.waitFor(() => expect(client.ids()).toEqual([1, 2, 3]))
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
    await vi.waitFor(() => expect(client.ids()).toEqual(to(501, 4)))
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
    await vi.waitFor(() => expect(client.ids()).toEqual([2]))
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
    await vi.waitFor(() => expect([whole.ids(), resumed.ids()]).toEqual([[1, 2, 3, 4], [4]]))
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
    await vi.waitFor(() => expect(client.ids()).toEqual([2, 3]))
    await step(node, run)
    await addChunks(sql, run.runId, ['c'])
    node.bell.ring([`run:${run.runId}`])
    await vi.waitFor(() => expect(client.ids()).toEqual([2, 3, 5]))
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
    await vi.waitFor(() => expect(client.ids()).toEqual([1]))
    await sql`delete from run_states where run_id = ${run.runId}`
    node.bell.ring([`run:${run.runId}`])
    expect(await client.ended).toBe('ended')
  })
})

describe('many streams', () => {
  test('streams at the same position share one read, and only for the run that was rung', async () => {
    const { sql: own, asked } = askedThrough(url)
    const node = await openNode({ sql: own })
    const [run, other] = [await addRun(sql, jobId), await addRun(sql, jobId)]
    const clients = Array.from({ length: 100 }, () => follow(node, run))
    const others = Array.from({ length: 10 }, () => follow(node, other))
    // Each has read: a stream that was only accepted may still be about to.
    for (const client of [...clients, ...others]) await vi.waitFor(() => expect(client.ids()).toEqual([1]), 10_000)
    asked.length = 0
    await step(node, run)
    for (const client of clients) await vi.waitFor(() => expect(client.ids()).toEqual([1, 2]), 10_000)
    expect(asked).toHaveLength(1)
  })

  test('streams without news cost one small query per tick, and none when there are no streams', async () => {
    const { sql: own, asked } = askedThrough(url)
    const { server, live, address, bell } = await openNode({ sql: own, tickMs: 20 })
    const node = { server, live, address, bell } as StreamNode
    const runs = await Promise.all(Array.from({ length: 20 }, () => addRun(sql, jobId)))
    const clients = runs.map((run) => follow(node, run))
    for (const client of clients) await vi.waitFor(() => expect(client.ids()).toEqual([1]))
    asked.length = 0
    await vi.waitFor(() => expect(asked.length).toBeGreaterThan(10))
    // Something else may be written on this server, and then the runs are looked at, all in one.
    const kinds = new Set(
      asked.map(({ text }) => (/pg_current_snapshot/.test(text) ? 'visible' : /any\(/.test(text) ? 'sequences' : text)),
    )
    expect([...kinds].filter((kind) => kind !== 'sequences')).toEqual(['visible'])
    for (const client of clients) client.cut()
    await vi.waitFor(() => expect(live.count()).toBe(0))
    const rest = asked.length
    await addSteps(sql, runs)
    await vi.waitFor(async () => expect((await sql`select pg_sleep(0.1)`).length).toBe(1))
    expect(asked.length).toBeLessThanOrEqual(rest + 2) // Those that were under way.
  })

  test('streams beyond the limits of process and project are refused before anything is written', async () => {
    const node = await openNode({ streamsMax: 3, streamsPerProjectMax: 2 })
    const otherJob = await prepareLog(sql, 'other')
    const [run, other] = [await addRun(sql, jobId), await addRun(sql, otherJob, { projectId: 'other' })]
    const open = [follow(node, run), follow(node, run)]
    await Promise.all(open.map((client) => client.status))
    expect(await follow(node, run).status).toBe(503)
    const third = follow(node, other)
    expect(await third.status).toBe(200)
    expect(await follow(node, other).status).toBe(503)
    // A place is free again as soon as a client has left.
    third.cut()
    await vi.waitFor(() => expect(node.live.count()).toBe(2))
    expect(await follow(node, other).status).toBe(200)
  })

  test('streams end when the node stops, and the node accepts no new ones', async () => {
    const node = await openNode()
    const run = await addRun(sql, jobId)
    const clients = [follow(node, run), follow(node, run)]
    await Promise.all(clients.map((client) => client.status))
    node.live.close()
    for (const client of clients) expect(await client.ended).toBe('ended')
    expect(await follow(node, run).status).toBe(503)
  })
})

describe('streams lose nothing', () => {
  test('when a ring is lost, the tick finds what was committed', async () => {
    const node = await openNode({ tickMs: 20 })
    const run = await addRun(sql, jobId)
    const client = follow(node, run)
    await vi.waitFor(() => expect(client.ids()).toEqual([1]))
    await addSteps(sql, [run]) // Nobody rings.
    await vi.waitFor(() => expect(client.ids()).toEqual([1, 2]))
  })

  test('when the listening connection is killed, followers look again once it is back', async () => {
    const { sql: admin, url: ownUrl } = await testDatabase()
    const run = await addRun(admin, await prepareLog(admin))
    const lines: string[] = []
    const node = await openNode({ url: ownUrl, log: (line) => void lines.push(line) })
    const client = follow(node, run)
    await vi.waitFor(() => expect(client.ids()).toEqual([1]))
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'runyard-bell'`
    await addSteps(admin, [run]) // Rung for by nobody, as if the ring had been on its way.
    await vi.waitFor(() => expect(client.ids()).toEqual([1, 2]), { timeout: 5_000 })
    expect(lines).toHaveLength(2)
  })

  test('when reads fail for a while, streams stay open and continue', async () => {
    const { sql: admin, url: ownUrl } = await testDatabase()
    const run = await addRun(admin, await prepareLog(admin))
    const lines: string[] = []
    const node = await openNode({ url: ownUrl, tickMs: 20, log: (line) => void lines.push(line) })
    const client = follow(node, run)
    await vi.waitFor(() => expect(client.ids()).toEqual([1]))
    await admin`alter table events rename to events_elsewhere`
    await admin`update run_states set last_sequence = last_sequence` // Something to look at.
    node.bell.ring([`run:${run.runId}`])
    // Reads fail slowly, and ticks in between look at what can be looked at.
    await admin`create view events as select * from events_elsewhere where (select 1 / length(pg_sleep(0.1)::text)) > 0`
    await vi.waitFor(() => expect(lines.join()).toContain('cannot be read'))
    await admin`select pg_sleep(0.5)`
    await admin`drop view events`
    await admin`alter table events_elsewhere rename to events`
    await addSteps(admin, [run])
    await vi.waitFor(() => expect(client.ids()).toEqual([1, 2]), { timeout: 5_000 })
    expect(lines).toHaveLength(1)
  })

  test('clients that are cut off anywhere and resume on either of two nodes lose nothing, while many connections write', {
    timeout: 60_000,
  }, async () => {
    const ownJob = await prepareLog(sql)
    const run = await addRun(sql, ownJob)
    await startRun(sql, ownJob)
    const nodes = [await openNode(), await openNode()]
    const writers = Array.from({ length: 3 }, () => connect(url, { max: 1 }))
    const write = async (own: Sql, writer: number) => {
      for (let i = 0; i < 60; i++) {
        if (Math.random() < 0.3) await addChunks(own, run.runId, ['x', 'y'])
        else
          await addSteps(
            own,
            Array.from({ length: 1 + Math.floor(Math.random() * 8) }, () => run),
          )
        nodes[writer % 2]!.bell.ring([`run:${run.runId}`])
      }
    }
    const readAll = async () => {
      const seen: number[] = []
      for (let isOver = false; !isOver; ) {
        const node = nodes[Math.floor(Math.random() * 2)]!
        const client = follow(node, run, { path: 'stream?deltas', lastEventId: String(seen.at(-1) ?? 0) })
        let left = 1 + Math.floor(Math.random() * 40)
        const enough = vi.waitFor(() => expect(client.frames.length).toBeGreaterThan(left), {
          timeout: 30_000,
          interval: 3,
        })
        await Promise.race([enough.catch(() => {}), client.ended])
        client.cut()
        left = client.frames.length
        seen.push(...client.ids())
        isOver = client.frames.at(-1)?.event === 'run.completed'
      }
      return seen
    }
    const reading = Promise.all(Array.from({ length: 10 }, readAll))
    await Promise.all(writers.map(write))
    await moveRuns(sql, [{ runId: run.runId, move: 'complete', actor: ACTOR }])
    nodes[0]!.bell.ring([`run:${run.runId}`])
    const [last] = await sql<{ n: number }[]>`select last_sequence as n from run_states where run_id = ${run.runId}`
    for (const seen of await reading) expect(seen).toEqual(to(last!.n))
    await Promise.all(writers.map((own) => own.end({ timeout: 1 })))
  })
})

describe('a slow client', () => {
  /** It asks, and takes nothing until it is told to. */
  async function dialIn(node: StreamNode, run: LogRun): Promise<Socket> {
    const socket = dial(node.port, '127.0.0.1').pause()
    onTestFinished(() => void socket.destroy())
    socket.write(`GET /${run.projectId}/runs/${run.runId}/stream HTTP/1.1\r\nHost: node\r\n\r\n`)
    await vi.waitFor(() => expect(node.live.count()).toBe(1))
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
    await vi.waitFor(() => expect(text).toContain('id: 2\n'))
    vi.advanceTimersByTime(10_000)
    await step(node, run)
    await vi.waitFor(() => expect(text).toContain('id: 3\n'))
    expect(beats()).toBe(0)
    vi.advanceTimersByTime(15_000)
    await vi.waitFor(() => expect(beats()).toBe(1))
    vi.advanceTimersByTime(30_000)
    await vi.waitFor(() => expect(beats()).toBe(3))
    // They change nothing about the place.
    expect(text.endsWith(': heartbeat\n\n')).toBe(true)
  })
})
