// Runyard in the bench's own process, as the peers are used: the actions as a library.
import { pino } from 'pino'
import { egressOf } from '../../src/access/egress/egress.ts'
import { authorizeCall } from '../../src/agents/authorize.ts'
import { createBell } from '../../src/bell/bell.ts'
import { type Ctx, makeCtx } from '../../src/bell/ctx.ts'
import { listenTo } from '../../src/bell/listening.ts'
import { bootstrap } from '../../src/bootstrap.ts'
import { createJob } from '../../src/jobs/change-jobs.ts'
import { migrate } from '../../src/postgres/migrate.ts'
import { connect, type Sql } from '../../src/postgres/sql.ts'
import { makeClaimer } from '../../src/runs/attempts/claimer.ts'
import { endAttempts } from '../../src/runs/attempts/end-attempts.ts'
import { appendReports } from '../../src/runs/report/append-log.ts'
import { triggerRuns } from '../../src/runs/trigger/trigger-runs.ts'
import { JOB } from '../queue/job.ts'

const PROJECT = 'default'
const actor = { type: 'api_key', id: 'bench' } as const
const worker = { type: 'worker', id: 'bench' } as const

export type Held = { runId: string; token: string }

export type OwnProcess = {
  sql: Sql
  trigger: (count: number) => Promise<void>
  claim: (limit: number) => Promise<Held[]>
  settle: (held: readonly Held[]) => Promise<void>
  /** Appends events of external runs, one of each. */
  append: (runs: readonly string[], type?: string) => Promise<void>
  /** Decides about that many calls of one agent at once. */
  decide: (count: number) => Promise<void>
  close: () => Promise<void>
}

export async function openOwnProcess(url: string): Promise<OwnProcess> {
  const sql = connect(url, { max: 4, name: 'runyard-bench' })
  await migrate(sql)
  await bootstrap(sql, { dataDir: '', apiKey: 'bench-key-of-no-value', keepKey: false, log: () => {} })
  const bell = await createBell({ url, log: () => {} })
  const ctx: Ctx = makeCtx({
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
  return {
    sql,
    async trigger(count) {
      const requests = Array.from({ length: count }, (_, i) => ({ payload: { i } }))
      refuseErrors(await triggerRuns(ctx, 'bench', requests, origin))
    },
    async claim(limit) {
      const { runs } = await claimer.claim({
        projectId: PROJECT,
        queues: ['default'],
        owner: 'bench',
        actor: worker,
        leaseSecs: 300,
        limit,
        into: 'executing',
      })
      return runs
    },
    async settle(held) {
      const endings = held.map(({ runId, token }) => ({ runId, token, actor: worker, kind: 'completed' as const }))
      refuseErrors(await endAttempts(ctx, endings))
    },
    async append(runs, type = 'step.finished') {
      const reports = runs.map((runId) => ({ type, runId, message: 'a step', data: { took: 12 } }))
      refuseErrors(await appendReports(ctx, { projectId: PROJECT, actor }, reports))
    },
    async decide(count) {
      const calls = Array.from({ length: count }, (_, nth) => ({
        projectId: PROJECT,
        agentId: 'bot',
        tool: `tool-${nth % 20}`,
        cost: { microusd: 10, picousd: 0 },
        args: { nth },
        actor,
      }))
      await Promise.all(calls.map((call) => authorizeCall(ctx, call)))
    },
    async close() {
      await bell.close()
      await sql.end({ timeout: 5 })
    },
  }
}

function refuseErrors(results: readonly unknown[]): void {
  for (const result of results) if (result instanceof Error) throw result
}
