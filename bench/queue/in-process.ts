// Runyard as the peers are used: as a library in the process of the one who works. Every run keeps its row and three
// events.

import { pino } from 'pino'
import { egressOf } from '../../src/access/egress/egress.ts'
import { hangBell } from '../../src/bell/bell.ts'
import { makeCtx } from '../../src/bell/ctx.ts'
import { listenTo } from '../../src/bell/listening.ts'
import { bootstrap } from '../../src/bootstrap.ts'
import { createJob } from '../../src/jobs/change-jobs.ts'
import { migrate } from '../../src/postgres/migrate.ts'
import { connect } from '../../src/postgres/sql.ts'
import { makeClaimer } from '../../src/runs/attempts/claimer.ts'
import { endAttempts } from '../../src/runs/attempts/end-attempts.ts'
import { triggerRuns } from '../../src/runs/trigger/trigger-runs.ts'
import { scriptInput, scriptOutput } from '../lib/child.ts'
import { BATCH, type Contestant, contest, type Entry, inBatches } from './contest.ts'
import { JOB } from './job.ts'

const WORKERS = 2
const PROJECT = 'default'
const actor = { type: 'api_key', id: 'bench' } as const
const worker = { type: 'worker', id: 'bench' } as const

async function inProcess({ url }: Entry): Promise<Contestant> {
  const sql = connect(url, { max: 4, name: 'runyard-bench' })
  await migrate(sql)
  await bootstrap(sql, { dataDir: '', apiKey: 'bench-key-of-no-value', keepKey: false, log: () => {} })
  const bell = await hangBell({ url, log: () => {} })
  const ctx = makeCtx({
    sql,
    reads: sql,
    ring: bell.ring,
    listen: listenTo(bell),
    log: pino({ level: 'silent' }),
    given: [egressOf.given('any')],
  })
  await createJob(ctx, { projectId: PROJECT, slug: 'bench', actor, signingSecret: 'none', definition: JOB })
  const claimer = makeClaimer(ctx)
  const origin = { projectId: PROJECT, triggeredBy: 'manual', actor } as const

  async function addBatch(count: number): Promise<void> {
    const requests = Array.from({ length: count }, (_, i) => ({ payload: { i } }))
    refuseErrors(await triggerRuns(ctx, 'bench', requests, origin))
  }
  async function workOff(): Promise<void> {
    for (;;) {
      const { runs } = await claimer.claim({
        projectId: PROJECT,
        queues: ['default'],
        owner: 'bench',
        actor: worker,
        leaseSecs: 15,
        limit: BATCH,
        into: 'executing',
      })
      if (runs.length === 0) return
      const endings = runs.map(({ runId, token }) => ({ runId, token, actor: worker, kind: 'completed' as const }))
      refuseErrors(await endAttempts(ctx, endings))
    }
  }
  return {
    add: (runs) => inBatches(runs, addBatch),
    async work() {
      await Promise.all(Array.from({ length: WORKERS }, workOff))
    },
    async close() {
      await refuseMissing()
      await bell.close()
      await sql.end({ timeout: 5 })
    },
  }

  /** A quick queue that loses history has not won. */
  async function refuseMissing(): Promise<void> {
    const [count] = await sql<{ missing: number }[]>`
      select count(*)::int as missing from run_states s
      where s.state <> 'completed' or s.last_sequence <> 3 or (select count(*) from events e where e.run_id = s.run_id) <> 3`
    if (count!.missing > 0) throw new Error(`${count!.missing} runs are not completed, or lack events`)
  }
}

function refuseErrors(results: readonly unknown[]): void {
  for (const result of results) if (result instanceof Error) throw result
}

const entry = await scriptInput<Entry>()
scriptOutput(await contest(await inProcess(entry), entry))
