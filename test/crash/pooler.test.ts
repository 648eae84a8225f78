// Calls go through a pooler in transaction mode, which gives each transaction whatever session is free.
import { expect, onTestFinished, test } from 'vitest'
import { sessionSettings } from '#postgres/session-settings.ts'
import { connect } from '#postgres/sql.ts'
import { testDatabase } from '../support/db.ts'
import { callerOf, KEY, openNode, until } from '../support/http-yard.ts'
import { poolerMissing, testPooler } from '../support/servers/pooler.ts'
import { watch } from '../support/sse-client.ts'

/** What hides that a session does not get its settings. */
const IGNORING = [
  `ignore_startup_parameters = ${Object.keys(sessionSettings({ name: '', statementTimeoutMs: 0, plans: 'each' })).join()}`,
]

test.skipIf(poolerMissing)(
  'with a pooler for calls and a direct address, runs, decisions and streams work, also after the pooler was restarted',
  { timeout: 90_000 },
  async () => {
    const { url, sql } = await testDatabase()
    const pooler = await testPooler(url)
    const node = await until(
      () => openNode(pooler.url, { DATABASE_URL: pooler.url, DATABASE_DIRECT_URL: url }).catch((error) => error),
      (opened) => 'address' in opened,
    )
    const call = callerOf(node.address)
    await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker', max_concurrency: 50 })
    const seen: number[] = []
    const reader = watch({
      url: `${node.address}/v1/events/stream?type=run.completed`,
      key: KEY,
      lastEventId: '0-0',
      onFrame: ({ event }) => void (event === 'run.completed' && seen.push(1)),
    })
    onTestFinished(() => reader.cut())
    await reader.status

    for (const round of [1, 2]) {
      const runs = await Promise.all(
        Array.from({ length: 60 }, (_, n) =>
          call('POST', '/v1/jobs/j/runs', { payload: { n }, tags: { round: `${n}` } }),
        ),
      )
      expect(runs.map(({ status }) => status)).toEqual(runs.map(() => 201))
      const decided = await Promise.all(
        Array.from({ length: 20 }, () => call('POST', '/v1/agents/a/authorize', { tool: 't', cost_microusd: 5 })),
      )
      expect(decided.filter(({ body }) => body.decision !== 'allowed')).toEqual([])
      let left = 60
      while (left > 0) {
        const { body } = await call('POST', '/v1/workers/claim', { worker_id: 'w', limit: 20, wait_secs: 1 })
        const settlements = body.runs.map(({ run, lease_token, payload }: never) => ({
          run_id: (run as { id: string }).id,
          lease_token,
          outcome: 'completed',
          result: payload,
        }))
        const settled = await call('POST', '/v1/workers/settle', { settlements })
        expect(settled.body.results.filter((it: { status: string }) => it.status !== 'completed')).toEqual([])
        left -= settlements.length
      }
      const listed = await call('GET', '/v1/runs?status=completed&limit=500')
      expect(listed.body.data).toHaveLength(60 * round)
      await until(
        async () => seen.length,
        (count) => count === 60 * round,
      )
      expect(
        (
          await until(
            () => call('GET', '/health/ready'),
            ({ status }) => status === 200,
          )
        ).status,
      ).toBe(200)
      if (round === 2) break
      await pooler.kill()
      expect((await call('POST', '/v1/jobs/j/runs', {})).status).toBe(503)
      await pooler.start()
      await until(
        () => call('GET', `/v1/runs/${runs[0]!.body.id}`),
        ({ status }) => status === 200,
      )
    }
    const sessions = await sql<{ application: string; n: number }[]>`
      select application_name as application, count(*)::int as n from pg_stat_activity
      where datname = current_database() and application_name in ('runyard-api', 'runyard-reads') group by 1`
    expect(sessions.reduce((sum, { n }) => sum + n, 0)).toBeLessThanOrEqual(3)
  },
)

test.skipIf(poolerMissing)(
  'a pooler without a direct address is refused at the start, and the error names the setting',
  { timeout: 60_000 },
  async () => {
    const { url } = await testDatabase()
    for (const more of [[], IGNORING]) {
      const pooler = await testPooler(url, more)
      const failure = await until(
        () =>
          openNode(pooler.url).then(
            () => 'started',
            (error: Error) => error.message,
          ),
        (message) => !/ECONNREFUSED/.test(message),
      )
      expect(failure).toMatch(/Set DATABASE_DIRECT_URL/)
    }
  },
)

test.skipIf(poolerMissing)(
  'sessions of the pooler have our settings, whatever the role and the server say',
  {
    timeout: 60_000,
  },
  async () => {
    const { url } = await testDatabase()
    const admin = connect(url, { max: 1 })
    onTestFinished(() => admin.end({ timeout: 1 }))
    await admin.unsafe(
      `do $$ begin execute format('alter database %I set bytea_output = escape', current_database()); end $$`,
    )
    const pooler = await testPooler(url)
    await until(
      () => openNode(pooler.url, { DATABASE_URL: pooler.url, DATABASE_DIRECT_URL: url }).catch((error) => error),
      (opened) => 'address' in opened,
    )
    const session = connect(url, { max: 1 })
    onTestFinished(() => session.end({ timeout: 1 }))
    const [row] = await session<{ settings: string[] }[]>`
    select setconfig as settings from pg_db_role_setting
    where setdatabase = (select oid from pg_database where datname = current_database()) and setrole <> 0`
    expect(row!.settings).toEqual(expect.arrayContaining(['bytea_output=hex', 'enable_seqscan=off', 'TimeZone=UTC']))
    expect(row!.settings).toContain('search_path="$user", public')
  },
)
