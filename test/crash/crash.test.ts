import { expect, onTestFinished, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { emptyDatabase, testDatabase } from '../support/db.ts'
import { type Call, callerOf, httpYard, KEY, openNode, until } from '../support/http-yard.ts'
import { httpServer } from '../support/local-servers.ts'
import { type NodeProcess, startNode } from '../support/processes.ts'
import { ownServer } from '../support/servers/own-server.ts'
import { expectTrueStories } from '../support/story.ts'

const nodeProcess = (databaseUrl: string): NodeProcess =>
  startNode('test/support/node-process.ts', [], {
    env: { DATABASE_URL: databaseUrl, PORT: '0', RUNYARD_EGRESS: 'any', RUNYARD_API_KEY: KEY },
  })
const addressOf = async (node: NodeProcess): Promise<string> => (await node.line(/ready at (\S+)/))[1]!

/** What a client holds us to: everything that was answered with success. */
async function triggerMany(call: Call, job: string, count: number): Promise<string[]> {
  const reply = await call('POST', `/v1/jobs/${job}/runs/batch`, {
    items: Array.from({ length: count }, (_, i) => ({ payload: i })),
  })
  return reply.body.results.map((it: { run: { id: string } }) => it.run.id)
}

test('the runs of a killed node are executed by another within 15 s, and none ends twice', {
  timeout: 60_000,
}, async () => {
  const { sql, url } = await testDatabase()
  let killed = false
  let attempts = 0
  const endpoint = await httpServer((_, response) => {
    attempts++
    // Until the kill nothing is answered, so that every call is in flight when it comes.
    if (killed) response.end('done')
  })
  const victim = nodeProcess(url)
  const call = callerOf(await addressOf(victim))
  await call('POST', '/v1/jobs', {
    slug: 'j',
    execution: 'http',
    endpoint_url: endpoint.url,
    retry_strategy: 'fixed',
    retry_initial_delay_secs: 0,
  })
  const ids = await triggerMany(call, 'j', 40)
  await until(
    async () => attempts,
    (n) => n === 40,
  )
  const other = nodeProcess(url)
  const call2 = callerOf(await addressOf(other))
  killed = true
  await victim.kill()
  const killedMs = performance.now()
  const stats = await until(
    () => call2('GET', '/v1/stats'),
    (reply) => reply.body.runs.completed === ids.length,
    20_000,
  )
  expect(performance.now() - killedMs).toBeLessThan(15_000)
  expect(stats.body.runs.executing).toBe(0)
  await expectTrueStories(sql)
  const crashes =
    await sql`select count(*)::int as n from events where type = 'run.retry_scheduled' and message is null`
  expect(crashes[0]!.n).toBe(40)
})

test('nothing that was answered is lost when PostgreSQL is killed, and the node continues when it is back', {
  timeout: 90_000,
}, async () => {
  const server = await ownServer()
  await server.start()
  const node = await openNode(server.url())
  const call = callerOf(node.address)
  await call('POST', '/v1/jobs', {
    slug: 'j',
    execution: 'worker',
    retry_strategy: 'fixed',
    retry_initial_delay_secs: 0,
  })
  const answered: string[] = []
  const settled = new Set<string>()
  let stop = false
  const triggering = (async () => {
    while (!stop) {
      const reply = await call('POST', '/v1/jobs/j/runs', { payload: answered.length })
      if (reply.status === 201) answered.push(reply.body.id)
    }
  })()
  const working = Array.from({ length: 3 }, async (_, worker) => {
    while (!stop) {
      const claimed = await call('POST', '/v1/workers/claim', { worker_id: `w${worker}`, limit: 10, lease_secs: 5 })
      if (claimed.status !== 200) continue
      const settlements = claimed.body.runs.map((it: { run: { id: string }; lease_token: string }) => ({
        run_id: it.run.id,
        lease_token: it.lease_token,
        outcome: 'completed',
      }))
      if (settlements.length === 0) continue
      const reply = await call('POST', '/v1/workers/settle', { settlements })
      if (reply.status === 200)
        for (const result of reply.body.results) if (result.status === 'completed') settled.add(result.run_id)
    }
  })
  await until(
    async () => settled.size,
    (n) => n > 100,
    20_000,
  )
  await server.crash('SIGKILL')
  const before = settled.size
  await server.start()
  await until(
    async () => settled.size,
    (n) => n > before + 100,
    30_000,
  )
  stop = true
  await Promise.all([triggering, ...working])
  const sql = connect(server.url(), { max: 2 })
  onTestFinished(() => sql.end())
  const kept = new Set((await sql<{ id: string }[]>`select id from runs`).map((row) => row.id))
  expect(answered.filter((id) => !kept.has(id))).toEqual([])
  const ended = new Set(
    (await sql<{ id: string }[]>`select run_id as id from run_states where state = 'completed'`).map((row) => row.id),
  )
  expect([...settled].filter((id) => !ended.has(id))).toEqual([])
  await expectTrueStories(sql)
})

test('two nodes that start at once on an empty database share it', async () => {
  const { url } = await emptyDatabase()
  const nodes = [nodeProcess(url), nodeProcess(url)]
  const addresses = await Promise.all(nodes.map(addressOf))
  const [a, b] = addresses.map((address) => callerOf(address)) as [Call, Call]
  await a('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const run = await b('POST', '/v1/jobs/j/runs', {})
  expect((await a('GET', `/v1/runs/${run.body.id}`)).body.status).toBe('queued')
})

test('a worker that waits on one node immediately gets what is triggered on another', async () => {
  const { call, url } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const other = callerOf((await openNode(url)).address)
  const waiting = other('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 20 })
  await until(
    () => call('GET', '/health/ready'),
    (reply) => reply.status === 200,
  )
  const beganMs = performance.now()
  const run = await call('POST', '/v1/jobs/j/runs', {})
  expect((await waiting).body.runs).toMatchObject([{ run: { id: run.body.id } }])
  // Faster than the slow look that covers lost rings.
  expect(performance.now() - beganMs).toBeLessThan(1_500)
})
