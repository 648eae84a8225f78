import { once } from 'node:events'
import { mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { newDataDir, portOf, query, ready, serverOf, start, startChild, usedDataDir } from '#test/support/embedded.ts'

test('the first start creates a database that only its random password opens', async () => {
  const dataDir = await newDataDir()
  const { url, adopted, stop, lines } = await start(dataDir)
  expect(adopted).toBe(false)
  expect(lines).toEqual([`creating a new database in ${join(dataDir, 'postgres')}`])
  expect(new URL(url)).toMatchObject({ protocol: 'postgres:', hostname: '127.0.0.1', pathname: '/runyard' })

  const passwordFile = join(dataDir, 'postgres-password')
  expect((await stat(passwordFile)).mode & 0o777).toBe(0o600)
  expect((await readFile(passwordFile, 'utf8')).trim()).toBe(new URL(url).password)
  const wrong = new URL(url)
  wrong.password = 'wrong'
  await expect(query(wrong.href, 'select 1')).rejects.toThrow(/password authentication failed/)
  const { pid } = (await serverOf(dataDir))!
  expect(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).not.toContain(new URL(url).password)
  await stop()
})

test('the embedded server has the settings that the product relies on', async () => {
  const { url, stop } = await start(await usedDataDir())
  const rows = await query<{ name: string; setting: string }>(url, 'select name, setting from pg_settings')
  const settings = Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))
  expect(settings).toMatchObject({
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    data_checksums: 'on',
    server_encoding: 'UTF8',
    password_encryption: 'scram-sha-256',
    max_connections: '100',
    max_wal_size: '4096',
    checkpoint_timeout: '900',
    random_page_cost: '1.1',
    jit: 'off',
    autovacuum_naptime: '10',
  })
  expect(['lz4', 'pglz']).toContain(settings.wal_compression)
  expect(Number(settings.shared_buffers)).toBeLessThanOrEqual((256 * 2 ** 20) / 8192)
  expect(await query(url, 'select datcollate from pg_database')).toContainEqual({ datcollate: 'C' })
  await stop()
})

test('a later start has the same data on the same port', async () => {
  const dataDir = await newDataDir()
  const first = await start(dataDir)
  await query(first.url, 'create table kept as select 42 as answer')
  await first.stop()
  expect(await serverOf(dataDir)).toBeUndefined()

  const second = await start(dataDir)
  expect(second).toMatchObject({ url: first.url, adopted: false, lines: [] })
  expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }])
  await second.stop()
})

test('a start on existing data takes well under a second', async () => {
  const dataDir = await usedDataDir()
  const times: number[] = []
  for (let n = 0; n < 3; n++) {
    const begun = performance.now()
    const { stop } = await start(dataDir)
    times.push(performance.now() - begun)
    await stop()
  }
  // The best of three: the machine may be busy with other tests.
  expect(Math.min(...times)).toBeLessThan(700)
})

test('a port that another program has taken is replaced, and the new one remembered', async () => {
  const dataDir = await usedDataDir()
  const first = await start(dataDir)
  await first.stop()
  const thief = createServer().listen(portOf(first.url), '127.0.0.1')
  onTestFinished(() => void thief.close())
  await once(thief, 'listening')

  const second = await start(dataDir)
  expect(portOf(second.url)).not.toBe(portOf(first.url))
  expect(await query(second.url, 'select 1 as one')).toEqual([{ one: 1 }])
  await second.stop()
  const third = await start(dataDir)
  expect(third.url).toBe(second.url)
  await third.stop()
})

test('the embedded server stops with the last process that uses it', async () => {
  const dataDir = await usedDataDir()
  const child = startChild(dataDir)
  const { url } = await ready(child)
  const second = await start(dataDir)
  expect(second).toMatchObject({ url, adopted: true })

  child.say('stop')
  await child.line(/keeps running, because another Runyard/)
  expect(await child.ended).toBe(0)
  expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }])
  await second.stop()
  expect(await serverOf(dataDir)).toBeUndefined()
})

test('many starts in one process share one server, which stops with the last', async () => {
  const dataDir = await usedDataDir()
  const all = await Promise.all(Array.from({ length: 5 }, () => start(dataDir)))
  expect(all.filter(({ adopted }) => !adopted)).toHaveLength(1)
  await Promise.all(all.map(({ stop }) => stop()))
  expect(await serverOf(dataDir)).toBeUndefined()
})

test('Ctrl-C reaches only the Runyard process, which then stops the server', async () => {
  const dataDir = await usedDataDir()
  const child = startChild(dataDir)
  await ready(child)
  child.killGroup('SIGINT')
  await child.line(/^interrupted: 1$/m)
  await child.line(/^stopped$/m)
  expect(await child.ended).toBe(0)
  expect(await serverOf(dataDir)).toBeUndefined()
  expect(await readFile(join(dataDir, 'postgres.log'), 'utf8')).toContain('database system is shut down')
})

test('a start that fails leaves no server running', async () => {
  const dataDir = await usedDataDir()
  const { url, stop } = await start(dataDir)
  const admin = url.replace(/runyard$/, 'postgres')
  await query(admin, 'alter database runyard with allow_connections false')
  await stop()
  await expect(start(dataDir)).rejects.toThrow(/not currently accepting connections/)
  expect(await serverOf(dataDir)).toBeUndefined()
  expect(await readdir(dataDir)).not.toContain('postgres-lock')
})

test('a data folder of another major version is refused and left unchanged', async () => {
  const dataDir = await newDataDir()
  await mkdir(join(dataDir, 'postgres'), { recursive: true })
  await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), '16\n')
  const message = await start(dataDir).then(
    () => 'started',
    (error: Error) => error.message,
  )
  for (const part of [
    'PostgreSQL 16',
    'PostgreSQL 18',
    join(dataDir, 'postgres'),
    'Dump',
    'move the folder away',
    'DATABASE_URL',
  ])
    expect(message).toContain(part)
  expect(await readdir(dataDir, { recursive: true })).toEqual(['postgres', 'postgres/PG_VERSION'])
})

test('a missing password file is reported, not replaced', async () => {
  const dataDir = await usedDataDir()
  await rm(join(dataDir, 'postgres-password'))
  await expect(start(dataDir)).rejects.toThrow(/postgres-password is missing/)
})

test("the server's log file is set aside at a start when it is larger than 20 MB", async () => {
  const dataDir = await usedDataDir()
  await truncate(join(dataDir, 'postgres.log'), 21 * 2 ** 20)
  await (await start(dataDir)).stop()
  expect((await stat(join(dataDir, 'postgres.log'))).size).toBeLessThan(2 ** 20)
  expect((await stat(join(dataDir, 'postgres.log.1'))).size).toBe(21 * 2 ** 20)
})
