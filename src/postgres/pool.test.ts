import { randomUUID } from 'node:crypto'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { expect, inject, onTestFinished, test } from 'vitest'
import { testDatabase } from '#test/support/db.ts'
import { ARRAY_TYPES } from './array-types.ts'
import { connect, type Sql } from './sql.ts'

function pool(url: string, options: Parameters<typeof connect>[1] = {}): Sql {
  const sql = connect(url, { max: 3, ...options })
  onTestFinished(() => sql.end({ timeout: 1 }))
  return sql
}

/** From another database, so that it is never among those that it ends. */
function cutter(url: string): (name: string) => Promise<number> {
  const admin = postgres(inject('adminUrl'), { max: 1, onnotice: () => {} })
  onTestFinished(() => admin.end({ timeout: 1 }))
  const database = new URL(url).pathname.slice(1)
  return async (name) =>
    (
      await admin`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = ${database} and application_name = ${name}`
    ).length
}

const codeOf = (asked: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(asked).then(
    () => 'answered',
    (error: { code?: unknown }) => error.code,
  )

test('connections that are killed at any moment lose no transaction, split none, and crash no process', {
  timeout: 90_000,
}, async () => {
  const { url, sql: look } = await testDatabase()
  await look`create table pairs (id text, half int)`
  const sql = pool(url, { max: 4, name: 'cut' })
  const cut = cutter(url)
  const told: string[] = []
  const codes = new Set<unknown>()
  let cuts = 0
  // Counted in commits and cuts, not in seconds: on a busy machine both take longer.
  const goesOn = () => told.length < 60 || cuts < 20

  async function write(): Promise<void> {
    while (goesOn()) {
      const id = randomUUID()
      await sql
        .begin(async (tx) => {
          await tx`insert into pairs values (${id}, 1)`
          // Between two statements nothing fails by itself when the connection goes: the next one has to.
          await sleep(Math.random() * 4)
          await tx`insert into pairs values (${id}, 2)`
        })
        .then(
          () => void told.push(id),
          (error) => void codes.add(error.code),
        )
      await sql`select ${[id, 'b']}::text[] as texts, pg_sleep(0.001)`.catch((error) => codes.add(error.code))
    }
  }
  const cutting = (async () => {
    while (goesOn()) {
      const committed = told.length
      if ((await cut('cut')) > 0) cuts++
      await sleep(5 + Math.random() * 30)
      // Writers stop once there was enough of both, perhaps without another commit.
      while (goesOn() && told.length === committed) await sleep(1)
    }
  })()
  await Promise.all([cutting, ...Array.from({ length: 12 }, write)])

  const pairs = await look<{ id: string; n: number }[]>`select id, count(*)::int as n from pairs group by id`
  expect(pairs.filter(({ n }) => n !== 2)).toEqual([])
  const kept = new Set(pairs.map(({ id }) => id))
  expect(told.filter((id) => !kept.has(id))).toEqual([])
  expect(codes.size).toBeGreaterThan(0)
  // Whatever a socket calls it, callers are told that the connection is gone.
  expect([...codes].filter((code) => !/^(CONNECTION_CLOSED|57P01)$/.test(String(code)))).toEqual([])
})

test('after a lost connection the next statement is answered immediately', async () => {
  const { url } = await testDatabase()
  const sql = pool(url, { max: 1, name: 'one' })
  const cut = cutter(url)
  for (let times = 0; times < 5; times++) {
    // Written and not yet sent when the connection goes.
    const lost = Promise.all(Array.from({ length: 3 }, () => codeOf(sql`select pg_sleep(5)`)))
    await expect.poll(() => cut('one')).toBeGreaterThan(0)
    await lost
    const beganMs = performance.now()
    await expect.poll(() => codeOf(sql`select 1`)).toBe('answered')
    expect(performance.now() - beganMs).toBeLessThan(2_500)
  }
})

test('a statement of an ended or lost transaction is refused, and runs nowhere else', async () => {
  const { url } = await testDatabase()
  const sql = pool(url, { max: 1, name: 'late' })
  await sql`create table rows (n int)`
  let late: () => PromiseLike<unknown> = async () => {}
  await sql.begin(async (tx) => {
    late = () => tx`insert into rows values (1)`
  })
  expect(await codeOf(late())).toBe('TRANSACTION_OVER')
  const cut = cutter(url)
  const lost = sql.begin(async (tx) => {
    await tx`insert into rows values (2)`
    await cut('late')
    // The pool has another connection by now.
    await expect.poll(() => codeOf(sql`select 1`)).toBe('answered')
    await tx`insert into rows values (3)`
  })
  expect(await codeOf(lost)).toBe('CONNECTION_CLOSED')
  expect(await sql`select n from rows`).toHaveLength(0)
})

test('a failed statement fails its transaction even when its error is caught, but not when it was in a savepoint', async () => {
  const { sql: look, url } = await testDatabase()
  const sql = pool(url)
  await look`create table rows (n int primary key)`
  const caught = sql.begin(async (tx) => {
    await tx`insert into rows values (1)`
    await tx`select 1 / 0`.catch(() => {})
  })
  expect(await codeOf(caught)).toBe('22012')
  await sql.begin(async (tx) => {
    await tx`insert into rows values (2)`
    await tx.savepoint((inner) => inner`select 1 / 0`).catch(() => {})
    await tx.savepoint((inner) => inner`insert into rows values (3)`)
  })
  expect((await look`select n from rows order by n`).map(({ n }) => n)).toEqual([2, 3])
})

test('more statements than connections are all answered, in order on each connection, with transactions between them', async () => {
  const { url } = await testDatabase()
  const sql = pool(url, { max: 2 })
  const all = await Promise.all(
    Array.from({ length: 400 }, (_, i) =>
      i % 10 === 0
        ? sql.begin(async (tx) => (await tx<{ n: number }[]>`select ${i}::int as n`)[0]!.n)
        : sql<{ n: number }[]>`select ${i}::int as n`.then(([row]) => row!.n),
    ),
  )
  expect(all).toEqual(Array.from({ length: 400 }, (_, i) => i))
  const [count] =
    await sql`select count(*)::int as n from pg_stat_activity where application_name = 'runyard' and datname = current_database()`
  expect(count!.n).toBeLessThanOrEqual(2)
})

test('arrays of every column type survive a round trip', async () => {
  const { url } = await testDatabase()
  const sql = pool(url)
  const odd = ['a', '', 'NULL', 'null', 'a,b', '{x}', 'back\\slash', 'quo"te', ' sp ace ', 'umläut 漢 🙂']
  const at = new Date('2026-01-02T03:04:05.678Z')
  const [row] = await sql`
    select ${odd}::text[] as texts, ${[1, 2]}::int[] as ints, ${[1, 2]}::bigint[] as longs, ${[0.5]}::float8[] as floats,
      array[true, null, false] as flags, array[${at}::timestamptz] as times, array['\\x00ff'::bytea] as bytes,
      array['{"a": [1, "x"]}'::jsonb] as jsons, '{{1,2},{3,4}}'::int[] as nested, '[0:1]={5,6}'::int[] as bounds, '{}'::text[] as empty,
      ${[null, 'x']}::text[] as nulls`
  expect(row).toEqual({
    texts: odd,
    ints: [1, 2],
    longs: [1, 2],
    floats: [0.5],
    flags: [true, null, false],
    times: [at],
    bytes: [Buffer.from([0, 255])],
    jsons: [{ a: [1, 'x'] }],
    nested: [
      [1, 2],
      [3, 4],
    ],
    bounds: [5, 6],
    empty: [],
    nulls: [null, 'x'],
  })
  const columns = await sql<{ type: number }[]>`
    select distinct a.atttypid::int as type from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_type t on t.oid = a.atttypid
    where c.relnamespace = 'public'::regnamespace and t.typcategory = 'A' and a.attnum > 0`
  expect(columns.map(({ type }) => type).filter((type) => !(`array_${type}` in ARRAY_TYPES))).toEqual([])
})

/** A way to the database that can be held up: both ends look alive, and nothing gets through. */
async function holdableWay(to: string): Promise<{ url: string; hold: () => void; letGo: () => void }> {
  const target = new URL(to)
  const sockets = new Set<net.Socket>()
  let held = false
  const server = net.createServer((near) => {
    const far = net.connect(Number(target.port), target.hostname)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {}).on('close', () => sockets.delete(socket))
      if (held) socket.pause()
    }
    near.on('data', (chunk) => far.write(chunk)).on('close', () => far.destroy())
    far.on('data', (chunk) => near.write(chunk)).on('close', () => near.destroy())
    if (held) for (const socket of [near, far]) socket.pause()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const url = new URL(to)
  Object.assign(url, { hostname: '127.0.0.1', port: String((server.address() as net.AddressInfo).port) })
  return {
    url: url.href,
    hold() {
      held = true
      for (const socket of sockets) socket.pause()
    },
    letGo() {
      held = false
      for (const socket of sockets) socket.resume()
    },
  }
}

test('a statement is abandoned at its timeout although the server says nothing', async () => {
  const { url } = await testDatabase()
  const way = await holdableWay(url)
  const sql = pool(way.url, { statementTimeoutMs: 1_000 })
  await sql`select 1`
  way.hold()
  const beganMs = performance.now()
  const asked = [codeOf(sql`select 1`), codeOf(sql.begin((tx) => tx`select 1`)), codeOf(sql`select 2`)]
  expect(await Promise.all(asked)).toEqual(['CONNECT_TIMEOUT', 'CONNECT_TIMEOUT', 'CONNECT_TIMEOUT'])
  expect(performance.now() - beganMs).toBeLessThan(3_000)
  way.letGo()
  await expect.poll(() => codeOf(sql`select 1`), { timeout: 5_000 }).toBe('answered')
})

test('a database that hangs is noticed long before the statement timeout, and calls are then refused immediately', async () => {
  const { url } = await testDatabase()
  const way = await holdableWay(url)
  const lines: string[] = []
  const sql = pool(way.url, { statementTimeoutMs: 60_000, log: (line) => void lines.push(line) })
  await sql`select 1`
  way.hold()
  const beganMs = performance.now()
  expect(await codeOf(sql`select 1`)).toBe('CONNECT_TIMEOUT')
  expect(performance.now() - beganMs).toBeLessThan(10_000)
  const againMs = performance.now()
  expect(await codeOf(sql`select 1`)).toBe('CONNECT_TIMEOUT')
  expect(performance.now() - againMs).toBeLessThan(250)
  way.letGo()
  await expect.poll(() => codeOf(sql`select 1`), { timeout: 10_000 }).toBe('answered')
  expect(lines).toEqual([expect.stringMatching(/does not respond/), expect.stringMatching(/responds again/)])
})

test('a slow statement is not mistaken for a database that hangs', async () => {
  const { url } = await testDatabase()
  const sql = pool(url, { max: 1 })
  expect(await codeOf(sql`select pg_sleep(5)`)).toBe('answered')
})

test('when the server takes no writes any more, connections are replaced, and what is under way on them ends', {
  timeout: 30_000,
}, async () => {
  const { sql: look, url } = await testDatabase()
  await look`create table rows (n int)`
  const sql = pool(url, { max: 2, name: 'retired' })
  const sessions = async () => {
    const rows = await look<{ pid: number }[]>`
      select pid from pg_stat_activity where application_name = 'retired' and datname = current_database()`
    return rows.map(({ pid }) => pid)
  }
  await sql`select 1`
  const [first] = await sessions()
  await look.unsafe(`do $$ begin
    execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$`)
  // A connection that was just opened leads to where another one would: it stays.
  const young = await codeOf(sql.begin('read only', (tx) => tx`insert into rows values (1)`))
  expect([young, await sessions()]).toEqual(['25006', [first]])
  await sleep(5_100)
  const slow = sql`select pg_sleep(1)`
  expect(await codeOf(sql.begin('read only', (tx) => tx`insert into rows values (1)`))).toBe('25006')
  expect(await codeOf(slow)).toBe('answered')
  await expect.poll(async () => (await sessions()).includes(first!)).toBe(false)
  expect(await codeOf(sql`insert into rows values (2)`)).toBe('25006')
})
