import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { callerOf, httpYard, openNode, until, untilState } from '../../support/http-yard.ts'
import { httpServer } from '../../support/local-servers.ts'

test('a node is ready when the database responds and its duties have succeeded', async () => {
  const { call } = await httpYard()
  expect((await call('GET', '/health/live', undefined, { key: '' })).body).toEqual({ status: 'ok' })
  const ready = await until(
    () => call('GET', '/health/ready', undefined, { key: '' }),
    (reply) => reply.body.checks.every((check: { age_ms: number | null }) => check.age_ms !== null),
  )
  expect(ready.status).toBe(200)
  expect(ready.body.checks.map((check: { name: string }) => check.name)).toEqual([
    'database',
    'database_writes',
    'dispatch',
    'timers',
    'waits',
    'inputs',
    'switches',
    'reaper',
    'orphans',
    'operations',
    'cron',
    'counters',
    'retention',
    'silence',
    'sealer',
    'log',
    'ai-agendas',
    'ai-leases',
    'webhooks',
    'alerts',
    'alert-messages',
    'seal-checks',
    'node-report',
    'tool-servers',
    'leases',
    'tail',
    'seals',
  ])
})

test('metrics report backlog, oldest age and wait per queue', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker', queue: 'letters' })
  await call('POST', '/v1/jobs/j/runs/batch', { items: [{}, {}, { delay_secs: 60 }] })
  await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: ['letters'] })
  const text = (await call('GET', '/metrics', undefined, { key: '' })).body as string
  expect(text).toContain('runyard_runs{queue="letters",state="queued"} 1')
  expect(text).toContain('runyard_runs{queue="letters",state="delayed"} 1')
  expect(text).toContain('runyard_runs{queue="letters",state="executing"} 1')
  expect(text).toMatch(/runyard_queue_oldest_seconds\{queue="letters"\} 0\.\d+/)
  expect(text).toContain('runyard_queue_wait_seconds_count{queue="letters"} 1')
  expect(text).toMatch(/runyard_http_request_seconds_count\{method="POST",route="\/v1\/jobs",status="201"\} 1/)
  expect((await call('GET', '/v1/stats')).body.queues).toMatchObject([
    { queue: 'letters', queued: 1, delayed: 1, executing: 1 },
  ])
})

test('traces are exported, and the dispatch is a span of the trace that triggered it', async () => {
  const spans: { name: string; traceId: string; parentSpanId?: string }[] = []
  const collector = await httpServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const sent = JSON.parse((request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString())
    for (const resource of sent.resourceSpans) for (const scope of resource.scopeSpans) spans.push(...scope.spans)
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url
  process.env.OTEL_BSP_SCHEDULE_DELAY = '100'
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const endpoint = await httpServer((_, response) => response.end('ok'))
  try {
    const { call } = await httpYard({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
    await call('POST', '/v1/jobs', { slug: 'traced', execution: 'http', endpoint_url: endpoint.url })
    const run = await call(
      'POST',
      '/v1/jobs/traced/runs',
      {},
      { headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` } },
    )
    await untilState(call, run.body.id, ['completed'])
    const dispatch = await until(async () => spans.find((span) => span.name === 'dispatch traced'), Boolean)
    expect(dispatch!.traceId).toBe(traceId)
    expect(spans.find((span) => span.name === 'POST /v1/jobs/:job/runs')!.traceId).toBe(traceId)
  } finally {
    delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT
    delete process.env.OTEL_BSP_SCHEDULE_DELAY
  }
})

test('a change with an idempotency key is made once, and its reply is returned again', async () => {
  const { call, url } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const headers = { 'idempotency-key': 'k1' }
  const first = await call('POST', '/v1/jobs/j/pause', { reason: 'once' }, { headers })
  await call('POST', '/v1/jobs/j/resume')
  const again = await call('POST', '/v1/jobs/j/pause', { reason: 'once' }, { headers })
  expect(again.body).toEqual(first.body)
  expect(again.headers.get('idempotency-replayed')).toBe('true')
  expect((await call('GET', '/v1/jobs/j')).body.paused_at).toBeNull()
  expect((await call('POST', '/v1/jobs/j/pause', { reason: 'other' }, { headers })).body.error.code).toBe(
    'idempotency_mismatch',
  )
  // A call that was refused changed nothing, and does not use its key up.
  expect((await call('POST', '/v1/jobs/nope/pause', {}, { headers: { 'idempotency-key': 'k2' } })).status).toBe(404)
  expect((await call('POST', '/v1/jobs/j/pause', {}, { headers: { 'idempotency-key': 'k2' } })).status).toBe(200)
  // Another node knows it as well.
  const other = await openNode(url)
  expect(
    (await callerOf(other.address)('POST', '/v1/jobs/j/pause', { reason: 'once' }, { headers })).headers.get(
      'idempotency-replayed',
    ),
  ).toBe('true')
})

test('an idle node queries the database less than five times a second', { timeout: 90_000 }, async () => {
  const { url } = await httpYard()
  const sql = connect(url, { max: 1, name: 'watching' })
  const commits = async () => {
    // The statistics of other sessions are told with a delay of up to a second.
    await sql`select pg_stat_clear_snapshot()`
    return (
      await sql<
        { n: number }[]
      >`select xact_commit::bigint as n from pg_stat_database where datname = current_database()`
    )[0]!.n
  }
  const perSecond = async () => {
    const before = await commits()
    await new Promise((resolve) => setTimeout(resolve, 4_000))
    return ((await commits()) - before) / 4
  }
  // What the start cost is told late as well: a node that has come to rest stays below.
  await until(perSecond, (rate) => rate < 5, 70_000)
  await sql.end()
})
