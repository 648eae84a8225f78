// Two nodes under load while all of their connections to PostgreSQL are ended again and again, as a failover, a pooler's
// restart or an operator does. A minute by default; RUNYARD_TEST_SOAK_SECS=1800 for half an hour by hand.
import postgres from 'postgres'
import { expect, inject, onTestFinished, test } from 'vitest'
import { testDatabase } from '../support/db.ts'
import { callerOf, KEY, type Reply, until } from '../support/http-yard.ts'
import { httpServer } from '../support/local-servers.ts'
import { type NodeProcess, startNode } from '../support/processes.ts'

const SOAK_MS = Number(process.env.RUNYARD_TEST_SOAK_SECS ?? 60) * 1000
const CALM_MS = 90_000
const CUT_MS_MIN = 100
const CUT_MS_MAX = 600

const rest = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

type Claimed = { run: { id: string }; lease_token: string }

test('whatever happens to connections, no node dies, no run is lost, none ends twice, and no log has a gap', {
  timeout: SOAK_MS + CALM_MS + 60_000,
}, async () => {
  const { sql, url } = await testDatabase()
  const nodes = [startSoaked(url), startSoaked(url)]
  const addresses = await Promise.all(nodes.map(async (node) => (await node.line(/ready at (\S+)/))[1]!))
  const calls = addresses.map((address) => callerOf(address))
  const odd: string[] = []
  let busy = true
  let refusals = 0

  /** Asked again, the same, until somebody knows: what a client with idempotency keys does. */
  async function ask(method: string, path: string, body?: unknown): Promise<Reply> {
    for (;;) {
      const reply = await calls[Math.floor(Math.random() * calls.length)]!(method, path, body)
      if (reply.status < 500) return reply
      refusals++
      if (reply.status !== 503) odd.push(`${method} ${path} ${reply.status} ${JSON.stringify(reply.body)}`)
      await rest(10)
    }
  }

  const endpoint = await httpServer((_, response) => void response.end('"done"'))
  const retries = { retry_strategy: 'fixed', retry_initial_delay_secs: 0, max_attempts: 50 }
  await ask('POST', '/v1/jobs', { slug: 'worked', execution: 'worker', ...retries })
  await ask('POST', '/v1/jobs', { slug: 'called', execution: 'http', endpoint_url: endpoint.url, ...retries })

  const triggered = new Set<string>()
  const trigger = async (lane: number) => {
    for (let n = 0; busy; n++) {
      const asked = { payload: { n }, idempotency_key: `${lane}-${n}` }
      const { status, body } = await ask('POST', `/v1/jobs/${n % 2 ? 'worked' : 'called'}/runs`, asked)
      if (status === 200 || status === 201) triggered.add(body.id)
      else odd.push(`trigger ${status} ${JSON.stringify(body)}`)
      await rest(40)
    }
  }
  let calm = false
  const work = async (lane: number) => {
    while (!calm) {
      const { body } = await ask('POST', '/v1/workers/claim', {
        worker_id: `w${lane}`,
        limit: 10,
        wait_secs: 1,
        lease_secs: 5,
      })
      const settlements = ((body.runs ?? []) as Claimed[]).map(({ run, lease_token }) => ({
        run_id: run.id,
        lease_token,
        outcome: 'completed',
      }))
      if (settlements.length > 0) await ask('POST', '/v1/workers/settle', { settlements })
    }
  }
  const cuts = cutConnections(url, () => busy)
  const working = [0, 1, 2].map(work)
  const triggering = [0, 1, 2, 3].map(trigger)
  await rest(SOAK_MS)
  busy = false
  await Promise.all(triggering)
  const cut = await cuts
  await until(
    () => ask('GET', '/v1/stats'),
    ({ body }) => body.runs.completed === triggered.size,
    CALM_MS,
  )
  calm = true
  await Promise.all(working)

  console.log(`${triggered.size} runs, ${cut} connections ended, ${refusals} answers of 503`)
  expect(nodes.map((node) => node.output().replace(/^ready at .*\n/, ''))).toEqual(['', ''])
  expect(await Promise.all(nodes.map(isAlive))).toEqual([true, true])
  expect(odd).toEqual([])
  expect(cut).toBeGreaterThan(SOAK_MS / CUT_MS_MAX)
  const kept = new Set((await sql<{ id: string }[]>`select id from runs`).map(({ id }) => id))
  expect([...triggered].filter((id) => !kept.has(id))).toEqual([])
  expect(kept.size).toBe(triggered.size)
  const wrong = await sql`
    select run_id, count(*)::int as events, max(sequence)::int as last, count(*) filter (where type = 'run.completed')::int as ends
    from events where run_id is not null group by run_id
    having count(*) <> max(sequence) or count(*) filter (where type = 'run.completed') <> 1`
  expect(wrong).toHaveLength(0)
})

const startSoaked = (url: string): NodeProcess =>
  startNode('test/support/node-process.ts', [], {
    env: { DATABASE_URL: url, PORT: '0', RUNYARD_EGRESS: 'any', RUNYARD_API_KEY: KEY },
  })

const isAlive = (node: NodeProcess): Promise<boolean> =>
  Promise.race([node.ended.then(() => false), rest(100).then(() => true)])

/** Ends all connections of the nodes at random moments; returns how many. */
async function cutConnections(url: string, go: () => boolean): Promise<number> {
  const admin = postgres(inject('adminUrl'), { max: 1, fetch_types: false })
  onTestFinished(() => admin.end({ timeout: 1 }))
  const database = new URL(url).pathname.slice(1)
  let ended = 0
  while (go()) {
    const gone = await admin`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = ${database} and application_name ~ '^runyard-(api|reads|engine|bell)$'`
    ended += gone.length
    await rest(CUT_MS_MIN + Math.random() * (CUT_MS_MAX - CUT_MS_MIN))
  }
  return ended
}
