// Nodes whose wall clocks differ by hours serve one database as if they did not.
import { expect, test } from 'vitest'
import { runTokens } from '#access/run-tokens.ts'
import { connect } from '#postgres/sql.ts'
import { testDatabase } from '#test/support/db.ts'
import { type Call, callerOf, KEY, openNode, until } from '#test/support/http-yard.ts'
import { startNode } from '#test/support/processes.ts'

const HOUR_MS = 3_600_000
const SHIFT_MS = 2 * HOUR_MS

async function nodeOff(url: string, shiftMs: number): Promise<Call> {
  const node = startNode('test/support/node-process.ts', [], {
    env: {
      NODE_OPTIONS: '--import ./test/races/shifted-clock.ts',
      CLOCK_SHIFT_MS: String(shiftMs),
      DATABASE_URL: url,
      PORT: '0',
      RUNYARD_API_KEY: KEY,
      RUNYARD_NODE: `off by ${shiftMs}`,
    },
  })
  const [, address] = await node.line(/ready at (\S+)/)
  return callerOf(address!)
}

async function threeNodes(): Promise<{ nodes: Call[]; right: Call; url: string }> {
  const { url } = await testDatabase()
  const right = callerOf((await openNode(url)).address)
  const nodes = [right, ...(await Promise.all([nodeOff(url, SHIFT_MS), nodeOff(url, -SHIFT_MS)]))]
  return { nodes, right, url }
}

const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())

test('a token signed by one node is valid on every other, whatever their clocks say', { timeout: 60_000 }, async () => {
  const { nodes, right } = await threeNodes()
  await right('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  for (const signer of nodes) {
    await signer('POST', '/v1/jobs/j/runs', {})
    const { body } = await signer('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 5, lease_secs: 300 })
    const [{ run, run_token }] = body.runs
    expect(Math.abs(claimsOf(run_token).iat * 1000 - Date.now())).toBeLessThan(60_000)
    for (const verifier of nodes) {
      const beat = await verifier('POST', `/v1/runs/${run.id}/heartbeat`, {}, { key: run_token })
      expect(beat.status, JSON.stringify(beat.body)).toBe(200)
      const line = await verifier('POST', `/strait/sdk/v1/runs/${run.id}/log`, { message: 'm' }, { key: run_token })
      expect(line.status, JSON.stringify(line.body)).toBe(201)
    }
  }
})

test('a token that has expired has expired on every node', { timeout: 60_000 }, async () => {
  const { nodes, right, url } = await threeNodes()
  await right('POST', '/v1/jobs', { slug: 'j', execution: 'worker', timeout_secs: 60 })
  await right('POST', '/v1/jobs/j/runs', {})
  const { body } = await right('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 5, lease_secs: 300 })
  const [{ run, run_token, lease_token }] = body.runs
  const sql = connect(url, { max: 1 })
  const [secret] = await sql<{ value: string }[]>`select value from installation where name = 'run_token_secret'`
  await sql.end()
  const { prj, att, own } = claimsOf(run_token)
  const claims = { runId: run.id, projectId: prj, attempt: att, leaseToken: lease_token, owner: own }
  const signedAgo = (ms: number) => runTokens(secret!.value, { nowMs: () => Date.now() - ms }).sign(claims, 60)
  for (const node of nodes) {
    const beat = (key: string) => node('POST', `/v1/runs/${run.id}/heartbeat`, {}, { key })
    expect((await beat(signedAgo(0))).status).toBe(200)
    expect((await beat(signedAgo(125_000))).status).toBe(401)
  }
})

test('a run is due when it was scheduled, and a day is the same day, on every node', {
  timeout: 60_000,
}, async () => {
  const { nodes, right } = await threeNodes()
  await right('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  for (const [index, node] of nodes.entries()) {
    const soon = await node('POST', '/v1/jobs/j/runs', { scheduled_at: new Date(Date.now() + HOUR_MS).toISOString() })
    expect([soon.status, soon.body.status]).toEqual([201, 'delayed'])
    const past = await node('POST', '/v1/jobs/j/runs', { scheduled_at: new Date(Date.now() - HOUR_MS).toISOString() })
    expect([past.status, past.body.error?.details.fields[0].field]).toEqual([422, 'scheduled_at'])
    const job = await node('POST', '/v1/jobs', { slug: `cron-${index}`, execution: 'worker', cron: '*/5 * * * *' })
    const aheadMs = Date.parse(job.body.next_cron_at) - Date.now()
    expect(aheadMs).toBeGreaterThan(-5_000)
    expect(aheadMs).toBeLessThanOrEqual(300_000)
    const metrics = (await node('GET', '/v1/agents/a/metrics?period=hour')).body
    expect(Math.abs(Date.parse(metrics.since) - Date.now())).toBeLessThanOrEqual(HOUR_MS + 5_000)
  }
  await until(
    () => right('GET', '/v1/stats'),
    ({ body }) => body.runs.delayed === nodes.length,
  )
})
