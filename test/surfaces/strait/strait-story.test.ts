// One run made at /strait, whose endpoint does everything that a handler may do: it saves checkpoints, spawns a child and
// awaits it, fails twice and then succeeds. It is paused, resumed, restarted, replayed and inspected, and tells the same
// story under /v1.
import { expect, test } from 'vitest'
import { type Call, until } from '../../support/http-yard.ts'
import { httpServer } from '../../support/local-servers.ts'
import { straitYard } from '../../support/strait-yard.ts'

type Seen = { run: string; attempt: string; checkpoint: unknown; previousError: string | undefined; body: unknown }

/** A handler written for Strait. It keeps its place in checkpoints, and hangs when it is told to. */
async function handler(address: string) {
  const seen: Seen[] = []
  const state = { hang: false, failures: 2, childOf: '' }
  const server = await httpServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const headers = request.headers as Record<string, string>
    const runId = headers['x-run-id']!
    const sdk = async (path: string, body: object) => {
      const reply = await fetch(`${address}/strait/sdk/v1/runs/${runId}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${headers['x-run-token']}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      return { status: reply.status, body: (await reply.json()) as { id: string } }
    }
    const checkpoint = headers['x-last-checkpoint'] && JSON.parse(headers['x-last-checkpoint'])
    seen.push({
      run: runId,
      attempt: headers['x-attempt']!,
      checkpoint,
      previousError: headers['x-previous-error'],
      body: JSON.parse(Buffer.concat(chunks).toString()),
    })
    if (state.hang) return
    if (!checkpoint) {
      await sdk('/log', { message: 'begun', level: 'info' })
      await sdk('/checkpoint', { state: { step: 'spawned' } })
      const child = await sdk('/spawn', { job_slug: 'child', payload: { n: 7 }, await_completion: true })
      expect(child).toMatchObject({
        status: 201,
        body: { parent_run_id: runId, triggered_by: 'spawn', await_completion: true },
      })
      state.childOf = child.body.id
      return void response.writeHead(200).end()
    }
    if (state.failures-- > 0) return void response.writeHead(503).end('not yet')
    await sdk('/usage', { provider: 'openai', model: 'gpt-4o', prompt_tokens: 1000, completion_tokens: 500 })
    await sdk('/tool-call', { tool_name: 'search', input: { q: 'x' }, output: { hits: 2 }, duration_ms: 12 })
    await sdk('/output', { output_key: 'report', value: { text: 'done' }, schema: { type: 'object' } })
    await sdk('/state', { key: 'page', value: 3 })
    await sdk('/progress', { percent: 100, message: 'all done' })
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"answer":42}')
  })
  return { url: server.url, seen, state }
}

const untilStatus = (call: Call, runId: string, status: string) =>
  until(
    () => call('GET', `/v1/runs/${runId}`),
    (reply) => reply.body.status === status,
    20_000,
  )

test('a run goes through everything that Strait offers, and every API tells the same about it', {
  timeout: 90_000,
}, async () => {
  const { call, native, address } = await straitYard()
  const { url, seen, state } = await handler(address)
  const echo = await httpServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"child":"done"}')
  })
  const job = (slug: string, endpoint_url: string) =>
    call('POST', '/v1/jobs', {
      project_id: 'default',
      name: slug,
      slug,
      endpoint_url,
      max_attempts: 5,
      retry_strategy: 'fixed',
      retry_delays_secs: [],
    })
  const made = await job('parent', url)
  expect(made.status).toBe(201)
  await native('PATCH', '/v1/jobs/parent', { retry_strategy: 'fixed', retry_initial_delay_secs: 0 })
  expect((await job('child', echo.url)).status).toBe(201)

  // It begins, awaits its child, fails twice, succeeds.
  const triggered = await call('POST', `/v1/jobs/${made.body.id}/trigger`, {
    payload: { order: 1 },
    tags: { team: 'a' },
  })
  expect(triggered.status).toBe(201)
  const id = triggered.body.id
  const done = (await untilStatus(call, id, 'completed')).body
  expect(done).toMatchObject({
    attempt: 3,
    result: { answer: 42 },
    payload: { order: 1 },
    tags: { team: 'a' },
    job_version: expect.any(Number),
  })
  expect(seen.map(({ attempt, checkpoint }) => [attempt, checkpoint])).toEqual([
    ['1', undefined],
    ['1', { step: 'spawned' }],
    ['2', { step: 'spawned' }],
    ['3', { step: 'spawned' }],
  ])
  expect(seen[2]!.previousError).toContain('503')
  for (const part of ['queue_wait_ms', 'dequeue_ms', 'connect_ms', 'ttfb_ms', 'transfer_ms', 'total_ms', 'dispatch_ms'])
    expect(done.execution_trace[part], part).toBeGreaterThanOrEqual(0)

  // Everything that it left behind.
  const list = async (path: string) => (await call('GET', `/v1/runs/${id}/${path}`)).body
  expect(await list('children')).toMatchObject([
    { id: state.childOf, parent_run_id: id, status: 'completed', result: { child: 'done' } },
  ])
  expect(await list('checkpoints')).toMatchObject([{ run_id: id, sequence: 1, state: { step: 'spawned' } }])
  const [usage] = await list('usage')
  expect(usage).toMatchObject({ prompt_tokens: 1000, completion_tokens: 500, total_tokens: 1500 })
  expect(usage.cost_microusd).toBeGreaterThan(0)
  expect(await list('tool-calls')).toMatchObject([{ tool_name: 'search', output: { hits: 2 }, status: 'completed' }])
  expect(await list('outputs')).toMatchObject([{ output_key: 'report', value: { text: 'done' } }])
  expect((await list('state')).map((it: { state_key: string }) => it.state_key).sort()).toEqual([
    'page',
    `spawn-await:${state.childOf}`,
  ])
  const changes = (await list('events?type=state_change&limit=100')).map((it: { data: { to: string } }) => it.data.to)
  expect(changes).toEqual('executing waiting queued executing queued executing queued executing completed'.split(' '))
  expect(await list('lineage')).toMatchObject([{ id }])
  expect(await list('dependency-status')).toMatchObject({ run_id: id, dependencies: [], dependencies_satisfied: true })
  const bundle = await list('debug-bundle')
  expect(Object.keys(bundle).sort()).toEqual(['checkpoints', 'events', 'outputs', 'run', 'tool_calls', 'usage'])
  expect(bundle.run).toEqual(done)

  // The same under /v1.
  const same = (await native('GET', `/v1/runs/${id}`)).body
  for (const field of ['id', 'job_id', 'status', 'attempt', 'result', 'payload', 'tags', 'finished_at', 'job_version'])
    expect(same[field], field).toEqual(done[field])
  expect(Date.parse(same.created_at)).toBe(Date.parse(done.created_at))
  expect((await native('GET', `/v1/runs/${id}/outputs`)).body.data[0].value).toEqual({ text: 'done' })

  // Another one is paused in the middle, resumed, restarted and canceled.
  state.hang = true
  const second = (await call('POST', `/v1/jobs/${made.body.id}/trigger`, {})).body.id
  await untilStatus(call, second, 'executing')
  const paused = await call('POST', `/v1/runs/${second}/pause`)
  expect(paused).toMatchObject({ status: 200, body: { status: 'paused' } })
  expect((await call('POST', `/v1/runs/${second}/resume`)).body).toMatchObject({ status: 'queued' })
  await untilStatus(call, second, 'executing')
  const restarted = await call('POST', `/v1/runs/${second}/restart`, { machine_preset: 'large-1x' })
  expect(restarted).toMatchObject({ status: 200, body: { status: 'queued' } })
  expect((await native('GET', `/v1/runs/${second}`)).body.preset).toBe('large-1x')
  await untilStatus(call, second, 'executing')
  expect((await call('POST', `/v1/runs/${second}/debug`, { debug_mode: true })).status).toBe(200)
  expect((await call('DELETE', `/v1/runs/${second}`)).status).toBe(204)
  expect((await call('GET', `/v1/runs/${second}`)).body).toMatchObject({ status: 'canceled', debug_mode: true })

  // A third one uses its attempts up, is redriven and replayed.
  state.hang = false
  state.failures = 100
  const third = (await call('POST', `/v1/jobs/${made.body.id}/trigger`, {})).body.id
  const dead = await untilStatus(call, third, 'dead_letter')
  expect(dead.body).toMatchObject({ attempt: 5, error: expect.stringContaining('503') })
  expect((await call('GET', '/v1/runs/dlq?project_id=default')).body).toMatchObject([{ id: third }])
  state.failures = 0
  const redriven = await call('POST', `/v1/runs/${third}/dlq-replay`)
  expect(redriven).toMatchObject({ status: 202, body: { id: third, attempt: 1 } })
  await untilStatus(call, third, 'completed')
  const refused = await call('POST', `/v1/runs/${third}/replay`)
  expect(refused).toMatchObject({ status: 400, body: { error: 'run is not replayable' } })
})
