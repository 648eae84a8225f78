import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { newDataDir, portOf, query, ready, serverOf, start, startChild, usedDataDir } from '#test/support/embedded.ts'
import { startNode } from '#test/support/processes.ts'
import { connect } from '../sql.ts'
import { isRoot, ownerOf } from './account.ts'
import { openPresence } from './presence.ts'
import { isAlive } from './process-table.ts'

// The bound of a wait for something that takes a moment, on a machine that is busy with other tests.
const PATIENT = { timeout: 10_000 }

test('a PostgreSQL server whose parent process was killed is adopted with all committed data', async () => {
  const dataDir = await usedDataDir()
  const child = startChild(dataDir)
  const { url, adopted } = await ready(child)
  expect(adopted).toBe(false)
  const before = await serverOf(dataDir)
  await child.kill('SIGKILL')

  const next = await start(dataDir)
  expect(next).toMatchObject({ url, adopted: true, lines: [`found PostgreSQL running on port ${portOf(url)}`] })
  expect(await serverOf(dataDir)).toEqual(before)
  expect(await query(url, 'select pid from seen')).toEqual([{ pid: child.pid }])
  await next.stop()
  expect(await serverOf(dataDir)).toBeUndefined()
})

test('a PostgreSQL server that was itself killed is restarted with all committed data', async () => {
  const dataDir = await usedDataDir()
  const first = await start(dataDir)
  await query(first.url, 'create table kept as select 42 as answer')
  process.kill((await serverOf(dataDir))!.pid, 'SIGKILL')
  await expect
    .poll(() => first.lines, PATIENT)
    .toContainEqual(expect.stringMatching(/PostgreSQL has crashed \(SIGKILL\)/))

  const second = await start(dataDir)
  expect(second.adopted).toBe(false)
  expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }])
  await first.stop() // Has no server of its own any more, and sees that this one is wanted.
  expect(await query(second.url, 'select 1 as one')).toEqual([{ one: 1 }])
  await second.stop()
})

test.skipIf(process.platform !== 'linux')(
  'a process that outlives its killed server delays the start until it is gone',
  async () => {
    const dataDir = await usedDataDir()
    const first = await start(dataDir)
    const sql = connect(first.url, { max: 1, name: 'test' })
    const [backend] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`
    process.kill(backend!.pid, 'SIGSTOP')
    onTestFinished(async () => void ((await isAlive(backend!.pid)) && process.kill(backend!.pid, 'SIGCONT')))
    process.kill((await serverOf(dataDir))!.pid, 'SIGKILL')
    await expect.poll(() => serverOf(dataDir), PATIENT).toBeUndefined()

    const second = start(dataDir)
    await expect
      .poll(() => readFile(join(dataDir, 'postgres.log'), 'utf8'), PATIENT)
      .toContain('pre-existing shared memory block')
    process.kill(backend!.pid, 'SIGCONT')
    await (await second).stop()
    await sql.end({ timeout: 1 })
  },
)

test('a stale postmaster.pid with the id of another program does not prevent the start', async () => {
  const dataDir = await usedDataDir()
  const first = await start(dataDir)
  const pidFile = join(dataDir, 'postgres', 'postmaster.pid')
  const content = await readFile(pidFile, 'utf8')
  await first.stop()
  // Of the server's own account: only then does PostgreSQL take the program for a server.
  const account = isRoot() ? await ownerOf(join(dataDir, 'postgres')) : undefined
  const other = startNode('--eval', ['console.log("up"); process.stdin.resume()'], { account, cwd: '/' })
  await other.line(/up/)
  await writeFile(pidFile, content.replace(/^\d+/, String(other.pid)))

  const second = await start(dataDir)
  expect(second.adopted).toBe(false)
  await second.stop()
})

test('two simultaneous starts on an empty folder create one database and share its server', async () => {
  const dataDir = await newDataDir()
  const children = [startChild(dataDir), startChild(dataDir)]
  const [one, two] = await Promise.all(children.map(ready))
  expect(one!.url).toBe(two!.url)
  expect([one!.adopted, two!.adopted].sort()).toEqual([false, true])
  const output = children.map((child) => child.output()).join('')
  expect(output.match(/creating a new database/g)).toHaveLength(1)
})

test('a first start that was killed halfway is begun again', async () => {
  const dataDir = await newDataDir()
  const child = startChild(dataDir)
  await child.line(/creating a new database/)
  await expect
    .poll(() => readdir(dataDir), { ...PATIENT, interval: 1 })
    .toContainEqual(expect.stringMatching(/^postgres\.new-/))
  await child.kill('SIGKILL')

  const next = await start(dataDir)
  expect(next).toMatchObject({ adopted: false, lines: [expect.stringMatching(/creating a new database/)] })
  expect(await query(next.url, 'select 1 as one')).toEqual([{ one: 1 }])
  await next.stop()
})

test('an incomplete data folder is set aside and a new one created', async () => {
  const dataDir = await newDataDir()
  await mkdir(join(dataDir, 'postgres'), { recursive: true })
  if (isRoot()) await chmod(dataDir, 0o711)
  await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), '18\n')
  const { url, stop } = await start(dataDir)
  expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }])
  expect(await readdir(dataDir)).toContainEqual(expect.stringMatching(/^postgres\.incomplete-/))
  await stop()
})

test('a server with another data folder is not mistaken for ours', async () => {
  const dataDir = await usedDataDir()
  const { url, stop } = await start(dataDir)
  const stale = { ...(await serverOf(dataDir))!, mark: 'another postmaster.pid' }
  await expect(openPresence(stale, new URL(url).password)).rejects.toThrow(/has another data folder/)
  await stop()
})
