import { randomUUID } from 'node:crypto'
import { chmod, chown, mkdir, readFile, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, inject, onTestFinished, test } from 'vitest'
import { newDataDir, query, ready, serverOf, start, startChild, usedDataDir } from '#test/support/embedded.ts'
import { findAccount, isRoot } from './account.ts'
import { findBinaries } from './binaries.ts'
import { makeDataDir } from './place.ts'
import { stopServer } from './stop.ts'

test.runIf(isRoot())('an ordinary user starts the server under their own account', async () => {
  const account = await findAccount()
  const parent = join(inject('testRoot'), `home-${randomUUID().slice(0, 8)}`)
  await mkdir(parent, { mode: 0o700 })
  await chown(parent, account.uid, account.gid)
  const dataDir = await newDataDir(parent)
  const child = startChild(dataDir, account)
  const { url } = await ready(child)
  expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }])
  expect((await stat(join(dataDir, 'postgres-password'))).uid).toBe(account.uid)
  child.say('stop')
  expect(await child.ended).toBe(0)

  // Root runs it as its owner, so that the owner can go on using it.
  const asRoot = await start(dataDir)
  expect((await stat(join(dataDir, 'postgres'))).uid).toBe(account.uid)
  await asRoot.stop()
})

test.runIf(isRoot())('a data folder created by another account is reported as such', async () => {
  const dataDir = await usedDataDir()
  const child = startChild(dataDir, await findAccount())
  await child.line(/permission denied.*Give the folder .*RUNYARD_DATA_DIR.*DATABASE_URL/)
  expect(await child.ended).toBe(1)
})

test.runIf(isRoot())('a database created by root is not used by an ordinary user', async () => {
  const dataDir = await usedDataDir()
  const account = { uid: 64_000, gid: 64_000 } // Neither root nor the account that root chooses.
  await chown(dataDir, account.uid, account.gid)
  const child = startChild(dataDir, account)
  await child.line(/belongs to the account with uid \d+\. Start Runyard as that account or as root/)
})

test.runIf(isRoot())('root runs the server as another account, which owns the data', async () => {
  const dataDir = await usedDataDir()
  const { stop } = await start(dataDir)
  const { uid } = await findAccount()
  expect((await stat(join(dataDir, 'postgres'))).uid).toBe(uid)
  const status = await readFile(`/proc/${(await serverOf(dataDir))!.pid}/status`, 'utf8')
  expect(status).toMatch(new RegExp(`^Uid:\\t${uid}\\t${uid}\\t${uid}`, 'm'))
  await stop()
})

test.runIf(isRoot())(
  'when only root may enter the data folder, the data is kept elsewhere, and stays there',
  async () => {
    const parent = join(inject('testRoot'), `root-only-${randomUUID().slice(0, 8)}`)
    await mkdir(parent, { mode: 0o700 })
    const dataDir = join(parent, 'data')
    const sharedDir = join(inject('testRoot'), `shared-${randomUUID().slice(0, 8)}`)
    const first = await start(dataDir, { sharedDir })
    const pointer = await readFile(join(dataDir, 'postgres-is-at'), 'utf8')
    const place = pointer.split('\n')[0]!
    onTestFinished(() => stopServer(place, findBinaries()))
    expect(dirname(dirname(place))).toBe(sharedDir)
    expect(first.lines).toContainEqual(expect.stringContaining(place))
    expect(pointer).toContain('cannot enter this folder')
    await query(first.url, 'create table kept as select 42 as answer')
    await first.stop()

    await chmod(parent, 0o755)
    const second = await start(dataDir, { sharedDir })
    expect(second.lines).toEqual([])
    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }])
    await second.stop()

    await rm(place, { recursive: true })
    await expect(start(dataDir, { sharedDir })).rejects.toThrow(/was kept in .*, which is gone/)
  },
)

test('a data folder that cannot be created is named with its setting, and the start ends', async () => {
  await expect(makeDataDir('/proc/runyard/data')).rejects.toThrow(
    'The data folder /proc/runyard/data (RUNYARD_DATA_DIR) cannot be created',
  )
})
