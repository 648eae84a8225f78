import { afterEach, describe, expect, test, vi } from 'vitest'
import { connect, type Sql } from '#postgres/sql.ts'
import { moveRuns } from '#run-state/move/move-runs.sql.ts'
import { follow, streamSuite, to } from '#test/support/builders/run-streams.ts'
import { testDatabase } from '#test/support/db.ts'
import { ACTOR, addChunks, addRun, addSteps, askedThrough, prepareLog, startRun } from '#test/support/log.ts'
import type { StreamNode } from '#test/support/stream-node.ts'

const { sql, url, jobId, openNode, step } = await streamSuite()
afterEach(() => void vi.useRealTimers())

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
    for (const client of clients) await vi.waitFor(() => expect(client.ids()).toEqual([1]), 10_000)
    asked.length = 0
    await vi.waitFor(() => expect(asked.length).toBeGreaterThan(10), 10_000)
    // Something else may be written on this server, and then the runs are looked at, all in one.
    const kinds = new Set(
      asked.map(({ text }) => (/pg_current_snapshot/.test(text) ? 'visible' : /any\(/.test(text) ? 'sequences' : text)),
    )
    expect([...kinds].filter((kind) => kind !== 'sequences')).toEqual(['visible'])
    for (const client of clients) client.cut()
    await vi.waitFor(() => expect(live.count()).toBe(0), 10_000)
    const rest = asked.length
    await addSteps(sql, runs)
    await vi.waitFor(async () => expect((await sql`select pg_sleep(0.1)`).length).toBe(1), 10_000)
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
    await vi.waitFor(() => expect(node.live.count()).toBe(2), 10_000)
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
    await vi.waitFor(() => expect(client.ids()).toEqual([1]), 10_000)
    await addSteps(sql, [run]) // Nobody rings.
    await vi.waitFor(() => expect(client.ids()).toEqual([1, 2]), 10_000)
  })

  test('when the listening connection is killed, followers look again once it is back', async () => {
    const { sql: admin, url: ownUrl } = await testDatabase()
    const run = await addRun(admin, await prepareLog(admin))
    const lines: string[] = []
    const node = await openNode({ url: ownUrl, log: (line) => void lines.push(line) })
    const client = follow(node, run)
    await vi.waitFor(() => expect(client.ids()).toEqual([1]), 10_000)
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
    await vi.waitFor(() => expect(client.ids()).toEqual([1]), 10_000)
    await admin`alter table events rename to events_elsewhere`
    await admin`update run_states set last_sequence = last_sequence` // Something to look at.
    node.bell.ring([`run:${run.runId}`])
    // Reads fail slowly, and ticks in between look at what can be looked at.
    await admin`create view events as select * from events_elsewhere where (select 1 / length(pg_sleep(0.1)::text)) > 0`
    await vi.waitFor(() => expect(lines.join()).toContain('cannot be read'), 10_000)
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
