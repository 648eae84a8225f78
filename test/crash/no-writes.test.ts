import { spawnSync } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, onTestFinished, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../support/db.ts'
import { type Call, callerOf, KEY, openNode, until } from '../support/http-yard.ts'
import { startProgram } from '../support/processes.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')

const ready = (call: Call) => () => call('GET', '/health/ready', undefined, { key: '' })
const writesOf = (reply: { body: { checks: { name: string }[] } }) =>
  reply.body.checks.find((check) => check.name === 'database_writes')

/** As a host does it: a default of the database, for every session from now on. */
async function change({ sql, url }: TestDatabase, change: string): Promise<void> {
  const database = new URL(url).pathname.slice(1)
  await sql.unsafe(`alter database ${database} ${change}`)
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = ${database} and application_name like 'runyard-%' and application_name <> 'runyard-test'`
}

test.each([
  ['default_transaction_read_only', 'on', 'The database is read-only.'],
  ['temp_file_limit', '100', 'A limit of PostgreSQL is exceeded, such as temp_file_limit.'],
])(
  'a node whose database refuses writes by %s is not ready, says why, and is ready again when it takes them',
  {
    timeout: 60_000,
  },
  async (setting, value, reason) => {
    const database = await testDatabase()
    const { address } = await openNode(database.url)
    const call = callerOf(address)
    expect(writesOf(await until(ready(call), (reply) => reply.status === 200))).toMatchObject({ ok: true })
    await change(database, `set ${setting} = ${value}`)
    const failed = await until(ready(call), (reply) => 'reason' in (writesOf(reply) ?? {}))
    expect(failed.status).toBe(503)
    expect(writesOf(failed)).toMatchObject({ ok: false, reason })
    const strait = await call('GET', '/strait/health/ready')
    expect([strait.status, strait.body.components]).toEqual([
      503,
      expect.arrayContaining([{ name: 'database_writes', status: 'down', error: reason }]),
    ])
    await change(database, `reset ${setting}`)
    await until(ready(call), (reply) => reply.status === 200, 20_000)
  },
)

test('however often readiness is checked, few writes are made', async () => {
  const { sql, url } = await testDatabase()
  const node = await openNode(url)
  const call = callerOf(node.address)
  await until(ready(call), (reply) => reply.status === 200)
  await Promise.all(Array.from({ length: 200 }, ready(call)))
  // A session tells its numbers at its end at the latest.
  await node.close()
  await until(
    () => sql`select from pg_stat_activity where datname = current_database() and application_name = 'runyard-api'`,
    (sessions) => sessions.length === 0,
  )
  const [spilled] = await sql<{ files: number }[]>`
    select temp_files::int as files from pg_stat_database where datname = current_database()`
  expect(spilled!.files).toBeGreaterThanOrEqual(1)
  expect(spilled!.files).toBeLessThanOrEqual(4)
})

// A small disk of its own, in a mount namespace that ends with its processes: only root on Linux may do that.
const onSmallDisk = (dir: string, command: string): string[] => [
  '--mount',
  'sh',
  '-c',
  `mount -t tmpfs -o size=200m,mode=0755 tmpfs "${dir}" && ${command}`,
]
const mayMount = spawnSync('unshare', onSmallDisk('/mnt', 'true')).status === 0

test.runIf(mayMount)(
  'a node whose disk is full is not ready and refuses with 503, and is ready again when there is space',
  {
    timeout: 120_000,
  },
  async () => {
    const disk = join(inject('testRoot'), 'small-disk')
    await mkdir(disk)
    onTestFinished(() => rm(disk, { recursive: true }))
    const env = {
      PORT: '0',
      RUNYARD_DATA_DIR: join(disk, 'data'),
      DATABASE_URL: '',
      RUNYARD_API_KEY: KEY,
      RUNYARD_DEMO: 'off',
      RUNYARD_DRAIN_MS: '0',
      RUNYARD_SHUTDOWN_GRACE_MS: '500',
    }
    const node = startProgram('unshare', onSmallDisk(disk, `exec "${process.execPath}" "${MAIN}"`), { env })
    const call = callerOf((await node.line(/is ready at (\S+)/, 60_000))[1]!)
    // Its mounts are seen through it, and gone with it.
    const inside = join('/proc', String(node.pid), 'root', disk)
    const server = Number((await readFile(join(inside, 'data/postgres/postmaster.pid'), 'utf8')).split('\n')[0])
    onTestFinished(() => endServer(server))
    await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
    await until(ready(call), (reply) => reply.status === 200)

    await fill(join(inside, 'filler'))
    const full = await until(ready(call), (reply) => 'reason' in (writesOf(reply) ?? {}), 20_000)
    expect(full.status).toBe(503)
    expect(writesOf(full)).toMatchObject({ ok: false, reason: 'The disk of PostgreSQL is full.' })
    // Larger than what is left in the pages that are there.
    const large = () => call('POST', '/v1/jobs/j/runs', { payload: randomText(900_000) })
    expect((await until(large, (reply) => reply.status !== 201)).status).toBe(503)

    await rm(join(inside, 'filler'))
    await until(ready(call), (reply) => reply.status === 200, 20_000)
    expect((await large()).status).toBe(201)
    await node.kill('SIGTERM')
  },
)

const randomText = (length: number) =>
  Array.from({ length: length / 10 }, () => Math.random().toString(36).slice(2, 12).padEnd(10, '0')).join('')

/** Until not a page is left. */
async function fill(file: string): Promise<void> {
  const block = Buffer.alloc(1 << 20) // What of the last one finds room is written as well.
  const isWritten = () =>
    writeFile(file, block, { flag: 'a' }).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOSPC') throw error
        return false
      },
    )
  let written = 0
  while (await isWritten()) expect(written++).toBeLessThan(1_000)
}

function endServer(pid: number): void {
  try {
    process.kill(pid, 'SIGQUIT')
  } catch {} // It has ended with its node.
}
