// What endpoints of jobs and tools answer is checked like what clients send: said once, and not asked for again.
import { expect, test } from 'vitest'
import { httpYard, until, untilState } from '../support/http-yard.ts'
import { httpServer } from '../support/local-servers.ts'
import { onceYard } from '../support/once-yard.ts'
import { toolServer } from '../support/tool-server.ts'

const OVER = ['completed', 'dead_letter', 'failed', 'crashed', 'timed_out']

test('a result that is nested too deeply fails its attempt immediately, and the endpoint is not called again', async () => {
  const { call } = await httpYard()
  for (const depth of [101, 4_000, 200_000]) {
    let calls = 0
    const endpoint = await httpServer((_, response) => {
      calls++
      response.end(`${'['.repeat(depth)}${']'.repeat(depth)}`)
    })
    const slug = `deep-${depth}`
    await call('POST', '/v1/jobs', { slug, execution: 'http', endpoint_url: endpoint.url, max_attempts: 3 })
    const { body: run } = await call('POST', `/v1/jobs/${slug}/runs`, {})
    const over = await untilState(call, run.id, OVER)
    expect(over.body).toMatchObject({ status: 'dead_letter', error_code: 'result_invalid', attempt: 1 })
    expect(over.body.error).toBe('the result is nested more than 100 deep')
    expect(calls).toBe(1)
  }
})

test("an endpoint's error that is truncated inside an emoji is stored", async () => {
  const { call } = await httpYard()
  const endpoint = await httpServer((_, response) => {
    response.statusCode = 400
    response.end(`x${'😀'.repeat(1_000)}`)
  })
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'http', endpoint_url: endpoint.url, max_attempts: 1 })
  const { body: run } = await call('POST', '/v1/jobs/j/runs', {})
  const over = await untilState(call, run.id, OVER)
  expect(over.body.error).toMatch(/^the endpoint answered 400: x(?:😀)+$/u)
})

test("a tool's error that is truncated inside an emoji ends the action, and the tool is called once", async () => {
  const { call } = await onceYard()
  // Wherever the sentence before it ends, one of the two is cut inside.
  for (const pad of ['', 'x']) {
    const tool = await toolServer(() => ({ status: 422, body: `${pad}${'😀'.repeat(600)}` }))
    await call('POST', '/tools', { name: `act${pad}`, url: tool.url })
    const key = `k${pad}`
    await call('POST', '/ai/run', { key, metadata: { agent_id: 'bot', actions: [{ tool: `act${pad}` }] } })
    const status = () => call('GET', `/ai/status?key=${key}`)
    const done = await until(status, (reply) => reply.body.status !== 'in_progress', 8_000)
    expect(done.body.status).toBe('failed')
    expect(tool.calls).toHaveLength(1)
  }
})
