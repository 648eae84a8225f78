// What a bench stands on: a PostgreSQL as the product itself starts it, in a temporary folder that goes away with
// the bench, and a fresh database for every contestant.

import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbedded } from '../../src/postgres/embedded/server.ts'
import { connect } from '../../src/postgres/sql.ts'

export type Stage = {
  /** A temporary folder; removed at the end. */
  folder: string
  freshDatabase(): Promise<string>
  dropDatabase(url: string): Promise<void>
  /** Calls back when the stage is taken down, the latest first: everything that a bench starts is stopped. */
  atEnd(work: () => Promise<void> | void): void
}

/** Takes the stage down however the bench ends. */
export async function onStage(act: (stage: Stage) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'runyard-bench-'))
  // As root, PostgreSQL runs under another account, which has to get through.
  await chmod(folder, 0o711)
  const endings: (() => Promise<void> | void)[] = [() => rm(folder, { recursive: true, force: true, maxRetries: 5 })]
  // Once only: an interrupted bench fails as well, and must not overtake its own taking down.
  let down: Promise<void> | undefined
  const takeDown = () => {
    down ??= (async () => {
      for (let ending = endings.pop(); ending; ending = endings.pop()) await ending()
    })()
    return down
  }
  const interrupted = () => void takeDown().finally(() => process.exit(130))
  process.once('SIGINT', interrupted)
  process.once('SIGTERM', interrupted)
  try {
    const server = await startEmbedded({ dataDir: join(folder, 'data'), log: () => {} })
    endings.push(() => server.stop())
    const admin = connect(server.url, { max: 1, name: 'runyard-bench', statementTimeoutMs: 0 })
    endings.push(() => admin.end({ timeout: 1 }))
    await act({
      folder,
      atEnd: (work) => void endings.push(work),
      async freshDatabase() {
        const name = `bench_${randomBytes(6).toString('hex')}`
        await admin.unsafe(`create database ${name} template template0`)
        const url = new URL(server.url)
        url.pathname = `/${name}`
        // What the database before left to be written is not this contestant's to pay for.
        await admin.unsafe('checkpoint')
        return url.href
      },
      async dropDatabase(url) {
        await admin.unsafe(`drop database if exists ${new URL(url).pathname.slice(1)} with (force)`)
      },
    })
  } finally {
    process.off('SIGINT', interrupted)
    process.off('SIGTERM', interrupted)
    await takeDown()
  }
}
