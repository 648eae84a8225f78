import { join } from 'node:path'
import { expect, inject, onTestFinished, test } from 'vitest'
import { query, serverOf, start, usedDataDir } from '#test/support/embedded.ts'
import { connect } from '../sql.ts'
import { findBinaries } from './binaries.ts'
import { isAlive } from './process-table.ts'
import { stopServer } from './stop.ts'

test.skipIf(process.platform === 'win32')(
  'a server that does not stop in time is stopped without its checkpoint',
  async () => {
    const dataDir = await usedDataDir()
    const first = await start(dataDir)
    const sql = connect(first.url, { max: 1 })
    await sql`create table kept as select 42 as answer`
    const [backend] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`
    process.kill(backend!.pid, 'SIGSTOP')
    onTestFinished(async () => void ((await isAlive(backend!.pid)) && process.kill(backend!.pid, 'SIGCONT')))

    await stopServer(join(dataDir, 'postgres'), findBinaries(), { fastMs: 100, immediateMs: 15_000 })
    expect(await serverOf(dataDir)).toBeUndefined()
    await sql.end({ timeout: 1 })

    const second = await start(dataDir)
    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }])
    await second.stop()
  },
)

test('a folder without a running server has nothing to stop', async () => {
  await stopServer(join(inject('testRoot'), 'nothing-here'), findBinaries())
})
