import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import type { Call } from '../../support/http-yard.ts'
import { closedPort } from '../../support/local-servers.ts'
import { ISO, onceYard } from '../../support/once-yard.ts'
import { toolServer } from '../../support/tool-server.ts'

const SECRET = 'sesame-open-the-door'
const put = (call: Call, tool: object) =>
  call('POST', '/tools', { name: 'act', url: 'https://tools.example.com/act', ...tool })
const run = (call: Call, more: object = {}) =>
  call('POST', '/ai/run', { agent_id: 'bot', tool: 'act', args: {}, ...more })

test('a tool is registered, updated, listed, disabled and deleted, and its secret is never shown', async () => {
  const { call, stranger, native } = await onceYard()
  const made = await put(call, { auth: { type: 'hmac_sha256', secret: SECRET }, description: 'Acts.' })
  expect(made.status).toBe(200)
  expect(made.body).toEqual({
    ...{ name: 'act', scope_id: 'global', url: 'https://tools.example.com/act', auth: { type: 'hmac_sha256' } },
    ...{ timeout_ms: 15_000, max_retries: 2, enabled: true, description: 'Acts.' },
    ...{ has_secret: true, secret_id: expect.any(String), secret_mask: '****door' },
    ...{ created_at: expect.stringMatching(ISO), updated_at: expect.stringMatching(ISO) },
  })
  // The same name and scope: the same tool, whose secret stays unless another one is sent.
  const changed = (await put(call, { timeout_ms: 250, max_retries: 0 })).body
  expect(changed).toMatchObject({
    timeout_ms: 250,
    has_secret: true,
    secret_id: made.body.secret_id,
    description: null,
  })
  const resent = (await put(call, { auth: { type: 'hmac_sha256', secret: 'short-one' } })).body
  expect(resent).toMatchObject({ secret_mask: '****' })
  expect(resent.secret_id).not.toBe(made.body.secret_id)
  await put(call, { scope_id: 'agent:bot' })
  const names = async (scope: string) =>
    (await call('GET', `/tools${scope}`)).body.map((it: { scope_id: string }) => it.scope_id)
  expect(await names('')).toEqual(['global'])
  expect(await names('?scope_id=agent:bot')).toEqual(['agent:bot'])
  expect((await call('GET', '/tools/act?scope_id=agent%3Abot')).body).toMatchObject({ scope_id: 'agent:bot' })
  expect((await stranger('GET', '/tools')).body).toEqual([])
  expect((await stranger('GET', '/tools/act')).status).toBe(404)
  expect((await call('POST', '/tools/act/toggle', { enabled: false })).body).toMatchObject({
    enabled: false,
    has_secret: true,
  })
  expect((await call('DELETE', '/tools/act')).body).toEqual({ ok: true, deleted: 'act' })
  for (const [method, path, body] of [
    ['GET', '/tools/act', undefined],
    ['DELETE', '/tools/act', undefined],
    ['POST', '/tools/act/toggle', { enabled: true }],
  ] as const) {
    const gone = await call(method, path, body)
    expect([gone.status, gone.body.detail.error]).toEqual([404, 'tool_not_found'])
  }
  const log = (await native('GET', '/v1/events?resource_type=tool&order=asc')).body.data
  expect(log.map((it: { type: string }) => it.type)).toEqual([
    ...['tool.created', 'tool.updated', 'tool.updated', 'tool.created', 'tool.disabled', 'tool.deleted'],
  ])
  expect(JSON.stringify(log)).not.toContain(SECRET)
})

test('invalid fields of a tool are refused by name', async () => {
  const { call } = await onceYard()
  const bad = async (tool: object, ...loc: string[]) => {
    const reply = await put(call, tool)
    expect([reply.status, reply.body.detail?.[0]?.loc]).toEqual([422, ['body', ...loc]])
  }
  await bad({ name: 'no spaces' }, 'name')
  await bad({ scope_id: 'team:x' }, 'scope_id')
  await bad({ timeout_ms: 249 }, 'timeout_ms')
  await bad({ timeout_ms: 120_001 }, 'timeout_ms')
  await bad({ max_retries: 11 }, 'max_retries')
  await bad({ description: 'x'.repeat(513) }, 'description')
  await bad({ auth: { type: 'hmac_sha256', secret: '1234567' } }, 'auth', 'secret')
  await bad({ auth: { type: 'basic', secret: '12345678' } }, 'auth', 'type')
  await bad({ url: 'ftp://example.com' }, 'url')
  await bad({ url: 'not a url' }, 'url')
})

test("a plan's limit of tools holds even when many are registered at once", async () => {
  const { call, url } = await onceYard()
  const sql = connect(url, { max: 1 })
  await sql`update projects set plan = 'starter' where id = 'default'`
  await sql.end()
  const replies = await Promise.all(Array.from({ length: 25 }, (_, n) => put(call, { name: `t${n}` })))
  expect(replies.filter((it) => it.status === 200)).toHaveLength(20)
  const refused = replies.find((it) => it.status !== 200)!
  expect([refused.status, refused.body.detail]).toEqual([
    403,
    { error: 'plan_limit', message: expect.stringContaining('20') },
  ])
  // To change one that is there needs no room.
  const name = replies.find((it) => it.status === 200)!.body.name
  expect((await put(call, { name, timeout_ms: 300 })).status).toBe(200)
})

test('a call is signed over its exact bytes, and the response is the result', async () => {
  const { call } = await onceYard()
  const tool = await toolServer(({ args }) => ({ body: { said: args.text } }))
  await put(call, { url: tool.url, auth: { type: 'hmac_sha256', secret: SECRET } })
  const reply = await run(call, { args: { text: 'hällo' }, spend_usd: 0.25 })
  expect(reply.body).toEqual({
    ...{ ok: true, allowed: true, decision: 'executed', policy_reason: 'ok', risk_level: 'low' },
    result: { said: 'hällo' },
  })
  const [{ headers, text, asked }] = tool.calls as [(typeof tool.calls)[0]]
  expect(asked).toMatchObject({ tool: 'act', agent_id: 'bot', args: { text: 'hällo' } })
  expect(headers['x-onceonly-signature']).toBe(createHmac('sha256', SECRET).update(text).digest('hex'))
  expect(headers['x-onceonly-signature-alg']).toBe('hmac_sha256')
  expect(Math.abs(Number(headers['x-onceonly-timestamp']) - Date.now() / 1000)).toBeLessThan(30)
})

test("an agent's own tool takes precedence over the global one, and a disabled one does not exist", async () => {
  const { call } = await onceYard()
  const [own, all] = [await toolServer(), await toolServer()]
  await put(call, { url: all.url })
  await put(call, { url: own.url, scope_id: 'agent:bot' })
  await run(call)
  await run(call, { agent_id: 'other' })
  expect([own.calls.length, all.calls.length]).toEqual([1, 1])
  await call('POST', '/tools/act/toggle?scope_id=agent:bot', { enabled: false })
  for (const reply of [await run(call), await run(call, { tool: 'nowhere' })])
    expect([reply.status, reply.body.detail.error]).toEqual([404, 'tool_not_found'])
  // In a run, its timeline tells it.
  await run(call, { tool: 'nowhere', args: { run_id: 'r' } })
  expect((await call('GET', '/runs/r')).body.events).toMatchObject([
    { type: 'tool_call', status: 'start', tool: 'nowhere' },
    { type: 'tool_result', status: 'error', tool: 'nowhere', data: { policy_reason: 'tool_not_found' } },
    { type: 'run_finished', status: 'failed', data: { policy_reason: 'tool_not_found' } },
  ])
  await call('DELETE', '/tools/act?scope_id=agent:bot')
  expect((await run(call)).body.decision).toBe('executed')
})

test('a failing tool is retried where that may help, and then reported as a tool error', {
  timeout: 30_000,
}, async () => {
  const { call } = await onceYard()
  const tool = await toolServer(({ args }, n) => {
    if (args.case === 'recovers') return n < 3 ? { status: 503 } : { body: { n } }
    if (args.case === 'refuses') return { status: 422, body: 'no such user' }
    if (args.case === 'garbage') return { body: '<html>hello' }
    if (args.case === 'slow') return { hang: true }
    if (args.case === 'list') return { body: [1, 2] }
    if (args.case === 'deep') return { body: '['.repeat(50_000) + ']'.repeat(50_000) }
    if (args.case === 'nul') return { body: '{"text":"a\\u0000b"}' }
    if (args.case === 'large') return { body: 'x'.repeat(300_000) }
    if (args.case === 'empty') return { status: 204, body: '' }
    return { status: 500, body: 'broken' }
  })
  await put(call, { url: tool.url, timeout_ms: 250 })
  const of = async (name: string) => {
    tool.calls.length = 0
    const { body } = await run(call, { args: { case: name } })
    return { ...body, tries: tool.calls.length }
  }
  const failed = { ok: false, allowed: true, decision: 'executed', policy_reason: 'tool_error', risk_level: 'medium' }
  expect(await of('recovers')).toMatchObject({ ok: true, result: { n: 3 }, tries: 3 })
  expect(await of('broken')).toMatchObject({ ...failed, tries: 3, result: { error: 'it answered 500: broken' } })
  expect(await of('refuses')).toMatchObject({ ...failed, tries: 1, result: { error: 'it answered 422: no such user' } })
  expect(await of('garbage')).toMatchObject({ ...failed, tries: 1 })
  expect(await of('deep')).toMatchObject({ ...failed, tries: 1, result: { error: expect.stringContaining('nested') } })
  expect(await of('nul')).toMatchObject({ ok: true, result: { text: 'a\ufffdb' } })
  expect(await of('large')).toMatchObject({ ...failed, tries: 1 })
  expect(await of('slow')).toMatchObject({ ...failed, tries: 3, result: { error: expect.stringContaining('timeout') } })
  expect(await of('list')).toMatchObject({ ok: true, result: { value: [1, 2] } })
  expect(await of('empty')).toMatchObject({ ok: true, result: {} })
  await put(call, { url: `http://127.0.0.1:${await closedPort()}/`, max_retries: 0 })
  expect((await run(call)).body).toMatchObject({ ...failed, result: { error: expect.stringContaining('connect') } })
  const log = (await call('GET', '/agents/bot/logs')).body
  expect(log[0]).toMatchObject({ allowed: true, decision: 'executed', policy_reason: 'tool_error' })
})

test('private addresses are refused where only public ones may be called', async () => {
  const { call, url } = await onceYard({ RUNYARD_EGRESS: 'public' })
  const tool = await toolServer()
  for (const address of [tool.url, 'http://169.254.169.254/latest', 'http://localhost/x', 'http://[::1]/']) {
    const reply = await put(call, { url: address })
    expect([reply.status, reply.body.detail[0].loc]).toEqual([422, ['body', 'url']])
  }
  // One that was registered when that was allowed is refused when it is called, and not tried again.
  const sql = connect(url, { max: 1 })
  await sql`insert into tools (project_id, name, scope_id, url, timeout_ms, max_retries, enabled) values ('default', 'act', 'global', ${tool.url}, 1000, 5, true)`
  await sql.end()
  expect((await run(call)).body).toMatchObject({ ok: false, policy_reason: 'tool_error' })
  expect(tool.calls).toHaveLength(0)
})
