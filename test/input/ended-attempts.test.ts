// A token of an attempt that no longer holds its run opens nothing: every route that takes one, on every surface.
import { describe, expect, test } from 'vitest'
import type { Route } from '#contract/route.ts'
import { ROUTES } from '#contract/routes.ts'
import { SDK_ROUTES } from '#dialects/strait/sdk-course-contract.ts'
import type { Sql } from '#postgres/sql.ts'
import { awaitBlocked, testDatabase } from '#test/support/db.ts'
import { type Call, callerOf, openNode, until, untilState } from '#test/support/http-yard.ts'

type Attempt = { runId: string; token: string; lease: { run_id: string; lease_token: string }; authorizationId: string }

/** Every route of every surface that takes the token of a run. */
const TAKEN: readonly { route: Route; prefix: string }[] = [
  ...ROUTES.filter((it) => it.needs === 'run_token' || it.orRunToken).map((route) => ({ route, prefix: '' })),
  ...SDK_ROUTES.map((route) => ({ route, prefix: '/strait' })),
]

/** What each of them would do, if it let the call in. */
const BODIES: Record<string, object> = {
  writeLog: { message: 'm' },
  reportProgress: { percent: 1 },
  annotateRun: { annotations: { a: 'b' } },
  writeCheckpoint: { state: 1 },
  recordUsage: { provider: 'p', model: 'm', prompt_tokens: 1 },
  recordToolCall: { tool_name: 't' },
  writeOutput: { output_key: 'o', value: 1 },
  spawnRun: { job: 'child', job_slug: 'child' },
  writeChunk: { chunk: 'c' },
  setState: { key: 'k', value: 1 },
  waitForEvent: { event_key: 'e', timeout_secs: 60 },
  askForInput: { kind: 'approval', prompt: 'May I?' },
  authorizeOwnCall: { tool: 't', cost_microusd: 5 },
  failRun: { error: 'x' },
  logRun: { message: 'm' },
  progressRun: { percent: 1 },
  checkpointRun: { state: 1 },
  usageRun: { provider: 'p', model: 'm', prompt_tokens: 1 },
  toolCallRun: { tool_name: 't' },
  outputRun: { output_key: 'o', value: 1 },
  stateRun: { key: 'k', value: 1 },
  streamChunk: { chunk: 'c' },
  resourcesRun: { memory_mb: 1 },
  waitForEventRun: { event_key: 'e', timeout_secs: 60 },
}

async function claim(call: Call): Promise<Attempt> {
  const { body } = await until(
    () => call('POST', '/v1/workers/claim', { worker_id: 'w', queues: ['walked'], lease_secs: 300 }),
    (reply) => reply.body.runs.length > 0,
  )
  const [{ run, run_token, lease_token }] = body.runs
  const own = await call('POST', `/v1/runs/${run.id}/authorize`, { tool: 't', cost_microusd: 7 }, { key: run_token })
  expect(own.body.decision).toBe('allowed')
  return {
    runId: run.id,
    token: run_token,
    lease: { run_id: run.id, lease_token },
    authorizationId: own.body.authorization_id,
  }
}

async function begin(call: Call): Promise<Attempt> {
  await call('POST', '/v1/jobs', {
    slug: 'walked',
    execution: 'worker',
    queue: 'walked',
    max_attempts: 3,
    retry_strategy: 'fixed',
    retry_initial_delay_secs: 0,
  })
  await call('POST', '/v1/jobs', { slug: 'child', execution: 'worker', queue: 'other' })
  await call('POST', '/v1/jobs/walked/runs', { payload: 1 })
  return claim(call)
}

const settle = (call: Call, { lease }: Attempt, outcome: object) =>
  call('POST', '/v1/workers/settle', { settlements: [{ ...lease, ...outcome }] })

/** Ways in which an attempt stops holding its run; each leaves the run in the state that it names. */
const ENDINGS: Record<string, { end: (call: Call, it: Attempt, sql: Sql) => Promise<unknown>; state: string }> = {
  'was completed': { end: (call, it) => settle(call, it, { outcome: 'completed', result: 1 }), state: 'completed' },
  'was failed': {
    end: (call, it) => settle(call, it, { outcome: 'failed', error: 'x', retryable: false }),
    state: 'failed',
  },
  'was canceled': { end: (call, { runId }) => call('DELETE', `/v1/runs/${runId}`), state: 'canceled' },
  'was given back': { end: (call, it) => settle(call, it, { outcome: 'returned' }), state: 'queued' },
  'was given back and claimed anew': {
    end: async (call, it) => {
      await settle(call, it, { outcome: 'returned' })
      await claim(call)
    },
    state: 'executing',
  },
  'was restarted': {
    end: async (call, it) => {
      expect((await call('POST', `/v1/runs/${it.runId}/restart`, {})).status).toBe(200)
    },
    state: 'queued',
  },
  'was redriven': {
    end: async (call, it) => {
      await settle(call, it, { outcome: 'failed', error: 'x', retryable: true })
      for (let attempt = 2; attempt <= 3; attempt++)
        await settle(call, await claim(call), { outcome: 'failed', error: 'x', retryable: true })
      await untilState(call, it.runId, ['dead_letter'])
      expect((await call('POST', `/v1/runs/${it.runId}/dlq-replay`)).status).toBe(200)
      await claim(call)
    },
    state: 'executing',
  },
  'was paused': {
    end: async (call, it) => {
      await call('POST', `/v1/runs/${it.runId}/pause`, {})
      await settle(call, it, { outcome: 'paused' })
    },
    state: 'paused',
  },
  'lost its lease': {
    end: async (call, it, sql) => {
      await sql`update leases set expires_at = now() where run_id = ${it.runId}`
      await claim(call)
    },
    state: 'executing',
  },
}

/** All that could have been written. */
async function everything(call: Call, runId: string) {
  const paths = ['', '/events?limit=200', '/state', '/outputs', '/checkpoints', '/tool-calls', '/usage', '/children']
  const read = [
    ...paths.map((path) => `/v1/runs/${runId}${path}`),
    '/v1/spend',
    '/v1/agents/walked/logs',
    '/v1/input-requests',
    '/v1/runs',
  ]
  return Promise.all(read.map(async (path) => [path, (await call('GET', path)).body]))
}

describe.each(Object.entries(ENDINGS))('the token of an attempt that %s', (_, { end, state }) => {
  test('a token of an ended attempt is refused by every route that accepts one, and writes nothing', {
    timeout: 60_000,
  }, async () => {
    const { sql, url } = await testDatabase()
    const { address } = await openNode(url)
    const call = callerOf(address)
    const attempt = await begin(call)
    await end(call, attempt, sql)
    expect((await call('GET', `/v1/runs/${attempt.runId}`)).body.status).toBe(state)
    const before = await everything(call, attempt.runId)
    const ended = callerOf(address, attempt.token)
    for (const { route, prefix } of TAKEN) {
      const path = prefix + route.path.replace(':run_id', attempt.runId).replaceAll(/:\w+/g, '1')
      const settlement = { authorization_id: attempt.authorizationId, outcome: 'succeeded', cost_microusd: 9 }
      const body = route.name === 'settleOwnCall' ? settlement : (BODIES[route.name] ?? {})
      const reply = await ended(route.method, path, route.method === 'GET' ? undefined : body)
      const said = `${route.method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`
      expect(prefix ? [401, 409, 410] : [409], said).toContain(reply.status)
      if (!prefix) expect(['run_over', 'stale_lease'], said).toContain(reply.body.error.code)
    }
    expect(await everything(call, attempt.runId)).toEqual(before)
  })
})

describe('an attempt that ends during its call', () => {
  test.each([
    ['authorize', () => ({ tool: 't', cost_microusd: 5 })],
    ['settle', (it: Attempt) => ({ authorization_id: it.authorizationId, outcome: 'succeeded' as const })],
  ] as const)(
    'an attempt that ends during its call to %s is refused, and nothing is reserved or charged',
    async (path, bodyOf) => {
      // A locks the run, as the end of an attempt does.
      // B calls with the attempt's token: it passes the first check of the lease, and blocks at the second.
      // A replaces the lease and commits → B must be refused, and must have changed nothing.
      const { sql, url } = await testDatabase()
      const node = await openNode(url)
      const call = callerOf(node.address)
      const attempt = await begin(call)
      const own = callerOf(node.address, attempt.token)
      const before = await everything(call, attempt.runId)
      let reply: ReturnType<Call> | undefined
      await sql.begin(async (tx) => {
        await tx`select from run_states where run_id = ${attempt.runId} for update`
        reply = own('POST', `/v1/runs/${attempt.runId}/${path}`, bodyOf(attempt))
        await awaitBlocked(sql)
        await tx`update run_states set lease_token = gen_random_uuid() where run_id = ${attempt.runId}`
      })
      expect((await reply!).body.error.code).toBe('stale_lease')
      expect(await everything(call, attempt.runId)).toEqual(before)
    },
  )
})
