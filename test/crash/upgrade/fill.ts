// Fills a node of a released version with a run in every state, over HTTP, and prints what it made as JSON. The dumps
// beside this file are databases that it filled; README.md says how to keep one of a new release.

const [address, key] = process.argv.slice(2)
if (!address || !key) throw new Error('usage: fill.ts ADDRESS KEY')

// biome-ignore lint/suspicious/noExplicitAny: a reply is whatever the version says it is.
type Body = any

async function call(method: string, path: string, body?: unknown, token = key): Promise<Body> {
  const response = await fetch(address + path, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  return text ? JSON.parse(text) : undefined
}

const post = (path: string, body: unknown = {}, token?: string) => call('POST', path, body, token)
const made: Record<string, string> = {}

/** A job of its own queue for each run, so that a claim gets the run that is meant. */
async function run(name: string, input: object = {}, job: object = {}): Promise<string> {
  await post('/v1/jobs', { slug: name, execution: 'worker', queue: name, retry_initial_delay_secs: 0, ...job })
  const { id } = await post(`/v1/jobs/${name}/runs`, {
    payload: { name, digits: 12.5, nested: { list: [1, 'two', null], b: 1, a: 2 } },
    tags: { kind: name },
    metadata: { order: name },
    ...input,
  })
  made[name] = id
  return id
}

type Claimed = { run: { id: string }; lease_token: string; run_token: string }

async function claim(queue: string, more: object = {}): Promise<Claimed> {
  const { runs } = await post('/v1/workers/claim', { worker_id: 'filler', queues: [queue], lease_secs: 300, ...more })
  if (runs.length !== 1) throw new Error(`no run in ${queue}`)
  return runs[0]
}

async function settle({ run: { id }, lease_token }: Claimed, settlement: object): Promise<void> {
  const { results } = await post('/v1/workers/settle', { settlements: [{ run_id: id, lease_token, ...settlement }] })
  if (results[0].error) throw new Error(JSON.stringify(results[0]))
}

async function claimed(name: string, input: object = {}, job: object = {}): Promise<Claimed> {
  await run(name, input, job)
  return claim(name)
}

async function untilStatus(id: string, status: string): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if ((await call('GET', `/v1/runs/${id}`)).status === status) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`run ${id} did not become ${status}`)
}

async function fillWaiting(): Promise<void> {
  const event = await claimed('waits-event')
  await post(`/v1/runs/${event.run.id}/checkpoint`, { state: { step: 1 } }, event.run_token)
  await post(
    `/v1/runs/${event.run.id}/wait-for-event`,
    { event_key: 'shipped', timeout_secs: 2_592_000 },
    event.run_token,
  )

  await post('/v1/jobs', { slug: 'child', execution: 'worker', queue: 'child' })
  const child = await claimed('waits-child')
  const spawned = await post(
    `/v1/runs/${child.run.id}/spawn`,
    { job: 'child', payload: 'from parent', await_completion: true, await_timeout_secs: 2_592_000 },
    child.run_token,
  )
  made.child = spawned.id

  const input = await claimed('waits-input')
  const asked = await post(
    `/v1/runs/${input.run.id}/input-requests`,
    { kind: 'approval', prompt: 'Send it?', params: { to: 'a@example.com' }, editable_params: ['to'] },
    input.run_token,
  )
  made['input-request'] = asked.id

  await post('/v1/jobs', { slug: 'upstream', execution: 'worker', queue: 'upstream' })
  made.upstream = (await post('/v1/jobs/upstream/runs', { payload: 1 })).id
  await post('/v1/jobs', { slug: 'waits-dependency', execution: 'worker', queue: 'waits-dependency' })
  await post('/v1/jobs/waits-dependency/dependencies', { depends_on: 'upstream' })
  made['waits-dependency'] = (await post('/v1/jobs/waits-dependency/runs', { payload: 2 })).id
}

async function fillEnded(): Promise<void> {
  const completed = await claimed('completed', { idempotency_key: 'once', debug_mode: true })
  const own = (path: string, body: unknown) => post(`/v1/runs/${completed.run.id}/${path}`, body, completed.run_token)
  await own('log', { message: 'halfway', data: { percent: 50 } })
  await own('progress', { percent: 50, step: 'first' })
  await own('checkpoint', { state: { step: 1 } })
  await own('output', { key: 'report', value: { pages: 12 } })
  await own('state', { key: 'seen', value: [1, 2] })
  await own('usage', { provider: 'openai', model: 'gpt-4o', prompt_tokens: 1000, completion_tokens: 10 })
  await settle(completed, { outcome: 'completed', result: { done: true, list: [3, 2, 1] } })

  await settle(await claimed('failed'), { outcome: 'failed', error: 'no use', error_code: 'bad', retryable: false })
  await settle(await claimed('dead-letter', {}, { max_attempts: 1 }), { outcome: 'failed', error: 'again' })
  await claimed('timed-out', {}, { timeout_secs: 1, max_attempts: 1 })
  await run('canceled')
  await call('DELETE', `/v1/runs/${made.canceled}`)
  await run('expired', { ttl_secs: 1 })
  const endpoint = { execution: 'http', endpoint_url: `${address}/nothing-here`, max_attempts: 1, queue: 'default' }
  await run('unanswered', {}, endpoint)
}

async function fillReported(): Promise<void> {
  const report = (run_id: string, type: string) => post('/v1/events', { run_id, type, data: { by: 'it' } })
  await report('reported-live', 'step_started')
  await report('reported-crashed', 'step_started')
  await report('reported-crashed', 'run.crashed')
}

async function fillGoverned(): Promise<void> {
  const policy = { approval_tools: ['refund'], prices_microusd: { search: 1000, refund: 5000 } }
  await call('PUT', '/v1/agents/support/policy', { policy: { ...policy, max_spend_microusd_per_day: 1_000_000 } })
  made.reserved = (await post('/v1/agents/support/authorize', { tool: 'search', args: { q: 'x' } })).authorization_id
  const asked = await post('/v1/agents/support/authorize', { tool: 'refund', args: { id: 1 } })
  made.asked = asked.authorization_id
  made['asked-request'] = asked.input_request_id
  await run('agent-off', { agent_id: 'halted' })
  await post('/v1/agents/halted/disable', { reason: 'in doubt' })
}

async function fillLive(): Promise<void> {
  await run('queued', { idempotency_key: 'twice', priority: 7 })
  await run('queued-second', {}, { queue: 'queued' })
  await run('delayed', { delay_secs: 30_000_000 })
  await run('held')
  await post('/v1/jobs/held/pause', { reason: 'deploy' })
  await run('limited', { concurrency_key: 'a' }, { max_concurrency: 1 })
  await claim('limited')
  made['limited-second'] = (await post('/v1/jobs/limited/runs', { payload: 2, concurrency_key: 'b' })).id
  await run('dequeued')
  await claim('dequeued', { buffer: true })
  const executing = await claimed('executing')
  await post(`/v1/runs/${executing.run.id}/checkpoint`, { state: { step: 4 } }, executing.run_token)
  const retried = await claimed('retry-later', {}, { retry_initial_delay_secs: 80_000, retry_strategy: 'fixed' })
  await settle(retried, { outcome: 'failed', error: 'later', error_code: 'busy' })
  const paused = await claimed('paused')
  await post(`/v1/runs/${paused.run.id}/pause`)
  await settle(paused, { outcome: 'paused' })
  await claimed('pausing', {}, { pause_grace_secs: 600 })
  await post(`/v1/runs/${made.pausing}/pause`)
  const batch = await post('/v1/jobs/queued/runs/batch', { items: [{ payload: 1 }, { payload: 2 }] })
  made.batch = batch.batch_id
}

await fillEnded()
await fillWaiting()
await fillReported()
await fillGoverned()
await fillLive()
await untilStatus(made['timed-out']!, 'timed_out')
await untilStatus(made.expired!, 'expired')
await new Promise((resolve) => setTimeout(resolve, 5_000))
const runs: Record<string, unknown> = {}
for (const { data } of [await call('GET', '/v1/runs?limit=100')])
  for (const { id, status, attempt } of data)
    runs[id] = {
      status,
      attempt,
      events: (await call('GET', `/v1/runs/${id}/events?limit=100`)).data.map((it: Body) => it.type),
    }
process.stdout.write(`${JSON.stringify({ made, runs }, null, 2)}\n`)
