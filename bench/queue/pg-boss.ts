// pg-boss by its own batches: insert, fetch and complete many at once, by two workers.
import { PgBoss } from 'pg-boss'
import { scriptInput, scriptOutput } from '../lib/child.ts'
import { BATCH, type Contestant, contest, type Entry, inBatches } from './contest.ts'

const WORKERS = 2

async function pgBoss({ url }: Entry): Promise<Contestant> {
  // Its housekeeping has nothing to do in a run of seconds, and is spared.
  const boss = new PgBoss({ connectionString: url, supervise: false, schedule: false })
  boss.on('error', (error) => {
    throw error
  })
  await boss.start()
  await boss.createQueue('bench')
  let done = 0
  const workOff = async () => {
    for (;;) {
      const jobs = await boss.fetch('bench', { batchSize: BATCH })
      if (jobs.length === 0) return
      await boss.complete(
        'bench',
        jobs.map((job) => job.id),
      )
      done += jobs.length
    }
  }
  return {
    add: (runs) =>
      inBatches(runs, (count) =>
        boss.insert(
          'bench',
          Array.from({ length: count }, (_, i) => ({ data: { i } })),
        ),
      ),
    async work(runs) {
      done = 0
      await Promise.all(Array.from({ length: WORKERS }, workOff))
      if (done !== runs) throw new Error(`${done} of ${runs} jobs were worked off`)
    },
    close: () => boss.stop({ graceful: false }),
  }
}

const entry = await scriptInput<Entry>()
scriptOutput(await contest(await pgBoss(entry), entry))
