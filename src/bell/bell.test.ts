import postgres from 'postgres'
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { testDatabase } from '#test/support/db.ts'
import { redisMissing, testRedis } from '#test/support/redis.ts'
import { type Bell, createBell, type Rung } from './bell.ts'
import { runTopic, type Topic } from './topics.ts'

type Way = {
  /** A bell of one process; `lines` is what it logged. */
  hang(): Promise<{ bell: Bell; lines: string[] }>
  /** Breaks the connections of all bells and lets none come back until `restore`. */
  breakOff(): Promise<void>
  restore(): Promise<void>
}

async function hangOne(options: { url: string; redisUrl?: string }): Promise<{ bell: Bell; lines: string[] }> {
  const lines: string[] = []
  const bell = await createBell({ ...options, log: (line) => void lines.push(line) })
  onTestFinished(() => bell.close())
  return { bell, lines }
}

async function throughPostgres(): Promise<Way> {
  const { url } = await testDatabase()
  const name = new URL(url).pathname.slice(1)
  // From another database: one cannot be closed to others from within.
  const sql = postgres(inject('adminUrl'), { max: 1 })
  onTestFinished(() => sql.end({ timeout: 1 }))
  return {
    hang: () => hangOne({ url }),
    async breakOff() {
      await sql.unsafe(`alter database ${name} allow_connections false`)
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name} and application_name = 'runyard-bell'`
    },
    async restore() {
      await sql.unsafe(`alter database ${name} allow_connections true`)
    },
  }
}

async function throughRedis(): Promise<Way> {
  const redis = await testRedis()
  return {
    // A ring through Redis needs no database.
    hang: () => hangOne({ url: 'postgres://127.0.0.1:1/none', redisUrl: redis.url }),
    breakOff: redis.kill,
    restore: redis.start,
  }
}

/** Everything that one topic's listener heard. */
function hearAll(bell: Bell, topic: Topic): Rung[] {
  const heard: Rung[] = []
  bell.listen(topic, (rung) => void heard.push(rung))
  return heard
}

describe.each([
  { name: 'PostgreSQL', way: throughPostgres, missing: undefined },
  { name: 'Redis', way: throughRedis, missing: redisMissing },
])('through $name', ({ way, missing }) => {
  describe.skipIf(missing)('rings', () => {
    test("a ring wakes this process's listeners of the topic once, before `ring` returns, and no others", async () => {
      const { hang } = await way()
      const [{ bell }, { bell: other }] = [await hang(), await hang()]
      const [one, two, far] = [hearAll(bell, `run:1`), hearAll(bell, `run:2`), hearAll(other, 'queue:far')]
      bell.ring([`run:1`])
      expect([one, two]).toEqual([['named'], []])
      // What was rung before has come back to this process by the time that a later ring is heard elsewhere.
      bell.ring(['queue:far'])
      await vi.waitFor(() => expect(far).toHaveLength(1), 10_000)
      expect([one, two]).toEqual([['named'], []])
    })

    test('a ring wakes the listeners of the topic in other processes', async () => {
      const { hang } = await way()
      const [{ bell }, { bell: other }] = [await hang(), await hang()]
      const [wanted, unwanted] = [hearAll(other, `queue:a`), hearAll(other, `queue:b`)]
      bell.ring([`queue:a`, 'tail'])
      await vi.waitFor(() => expect(wanted).toEqual(['named']), 10_000)
      expect(unwanted).toEqual([])
    })

    test('a ring with more topics than fit into one message wakes every listener', async () => {
      const { hang } = await way()
      const [{ bell }, { bell: other }] = [await hang(), await hang()]
      const heard = hearAll(other, 'queue:unrelated')
      bell.ring(Array.from({ length: 5_000 }, (_, i) => runTopic(String(i))))
      await vi.waitFor(() => expect(heard).toEqual(['look']), 10_000)
    })

    test('rings lost with a connection are made up for: when it is back, every listener is woken once', async () => {
      const { hang, breakOff, restore } = await way()
      const [{ bell, lines }, { bell: other }] = [await hang(), await hang()]
      const heard = hearAll(other, 'tail')
      await breakOff()
      await vi.waitFor(() => expect(lines).toHaveLength(1), 10_000)
      for (let i = 0; i < 50; i++) bell.ring(['tail'])
      await restore()
      await vi.waitFor(() => expect(heard).toContain('look'), { timeout: 10_000 })
      await vi.waitFor(() => expect(lines).toHaveLength(2), { timeout: 10_000 })
      // From then on rings arrive as they did before. The other process may still be on its way back.
      await vi.waitFor(() => {
        bell.ring(['tail'])
        expect(heard).toContain('named')
      }, 10_000)
      expect(lines).toHaveLength(2)
    })

    test('a ring wakes no listener that has stopped listening', async () => {
      const { hang } = await way()
      const { bell } = await hang()
      const wake = vi.fn()
      const unlisten = bell.listen('queue:a', wake)
      const still = hearAll(bell, 'queue:a')
      unlisten()
      bell.ring(['queue:a'])
      expect([wake.mock.calls.length, still]).toEqual([0, ['named']])
    })
  })
})

test('a bell starts while Redis is unavailable, and connects to it later', {
  skip: redisMissing !== undefined,
}, async () => {
  const redis = await testRedis()
  await redis.kill()
  const { bell, lines } = await hangOne({ url: '', redisUrl: redis.url })
  const { bell: other } = await hangOne({ url: '', redisUrl: redis.url })
  const heard = hearAll(other, 'queue:a')
  expect(lines).toHaveLength(1)
  await redis.start()
  await vi.waitFor(() => {
    bell.ring(['queue:a'])
    expect(heard).toContain('named')
  }, 10_000)
})

test('ten thousand commits cause only a few notifications, and the first is sent immediately', async () => {
  const { url } = await testDatabase()
  const { bell } = await hangOne({ url })
  const payloads: string[] = []
  const ear = postgres(url, { max: 1 })
  onTestFinished(() => ear.end({ timeout: 1 }))
  await ear.listen('runyard_bell', (payload) => void payloads.push(payload))
  const { bell: other } = await hangOne({ url })
  const heard = hearAll(other, `run:last`)

  const beganMs = performance.now()
  for (let commit = 0; commit < 10_000; commit++) {
    bell.ring([runTopic(String(commit % 100)), 'tail'])
    // As commits do, they come over many turns of the event loop.
    if (commit % 100 === 0) await new Promise(setImmediate)
  }
  bell.ring([`run:last`])
  await vi.waitFor(() => expect(heard).toEqual(['named']), 10_000)
  const tookMs = performance.now() - beganMs
  await vi.waitFor(() => expect(payloads.at(-1)).toBeDefined(), 10_000)
  // One in five milliseconds, the first, and the last.
  expect(payloads.length).toBeLessThanOrEqual(tookMs / 5 + 2)
  expect(payloads.length).toBeGreaterThan(0)
  // The first held what was rung in the first turn alone.
  expect(payloads[0]!.split(',').length).toBeLessThan(102)
})
