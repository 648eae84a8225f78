// The protocol itself: revisions, access, bounds, resources, prompts and stdio.
import { request } from 'node:http'
import { expect, test, vi } from 'vitest'
import { commandLine } from '#test/cli/command-line.ts'
import { httpYard, KEY, trigger } from '#test/support/http-yard.ts'
import { connectMcp } from './connect-mcp.ts'

vi.setConfig({ testTimeout: 60_000 })

const JSON_RPC = { accept: 'application/json, text/event-stream' }
const initialize = (protocolVersion: string) => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion, capabilities: {}, clientInfo: { name: 'old', version: '1' } },
})

test('clients of earlier revisions are served by the same address', async () => {
  const { call } = await httpYard()
  for (const revision of ['2025-03-26', '2025-06-18', '2025-11-25']) {
    const { status, body } = await call('POST', '/mcp', initialize(revision), { headers: JSON_RPC })
    expect(status).toBe(200)
    expect(JSON.stringify(body)).toContain(revision)
  }
  const unknown = await call('POST', '/mcp', initialize('1999-01-01'), { headers: JSON_RPC })
  expect(unknown.status).toBe(200)
  expect(JSON.stringify(unknown.body)).toMatch(/protocolVersion\D+2025-/)
})

test('a request needs a key, JSON, and an origin of its own; there are no sessions', async () => {
  const { call, address } = await httpYard()
  const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
  expect((await call('POST', '/mcp', list, { key: '', headers: JSON_RPC })).status).toBe(401)
  expect((await call('POST', '/mcp', list, { key: 'wrong', headers: JSON_RPC })).status).toBe(401)
  expect((await call('POST', '/mcp', list, { headers: { ...JSON_RPC, origin: 'https://evil.example' } })).status).toBe(
    403,
  )
  expect((await call('POST', '/mcp', list, { headers: { ...JSON_RPC, 'content-type': 'text/plain' } })).status).toBe(
    415,
  )
  expect((await call('POST', '/mcp', '{', { headers: JSON_RPC })).status).toBe(400)
  expect((await call('POST', '/mcp', { pad: 'x'.repeat(2_000_000) }, { headers: JSON_RPC })).status).toBe(413)
  expect((await call('DELETE', '/mcp')).status).toBe(405)
  expect(await rebound(address)).toBe(403)
})

/** A page whose own name was pointed at this machine: Origin and Host agree, and are both foreign. */
const rebound = (address: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const headers = {
      ...JSON_RPC,
      host: 'evil.example',
      origin: 'http://evil.example',
      authorization: `Bearer ${KEY}`,
      'content-type': 'application/json',
    }
    request(`${address}/mcp`, { method: 'POST', headers }, (response) => resolve(response.resume().statusCode ?? 0))
      .on('error', reject)
      .end('{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
  })

test('a run, its timeline, a job and a policy are resources; usual questions are prompts', async () => {
  const { call, address } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'greet', execution: 'worker' })
  const { id } = await trigger(call, 'greet')
  await call('PUT', '/v1/agents/support/policy', { policy: { blocked_tools: ['refund'] } })
  const { ask } = connectMcp(address)
  const { resourceTemplates } = await ask('resources/templates/list')
  expect(resourceTemplates.map(({ uriTemplate }: { uriTemplate: string }) => uriTemplate)).toEqual([
    'runyard://run/{id}',
    'runyard://run/{id}/timeline',
    'runyard://job/{slug}',
    'runyard://agent/{id}/policy',
  ])
  const read = async (uri: string) => JSON.parse((await ask('resources/read', { uri })).contents[0].text)
  expect(await read(`runyard://run/${id}`)).toMatchObject({ id, status: 'queued' })
  expect((await read(`runyard://run/${id}/timeline`)).events[0]).toMatchObject({ type: 'run.created' })
  expect(await read('runyard://job/greet')).toMatchObject({ slug: 'greet' })
  expect(await read('runyard://agent/support/policy')).toMatchObject({ policy: { blocked_tools: ['refund'] } })
  await expect(read('runyard://run/nope')).rejects.toThrow('run_not_found')
  await expect(read('file:///etc/passwd')).rejects.toThrow('not found')
  const { prompts } = await ask('prompts/list')
  expect(prompts.map(({ name }: { name: string }) => name)).toEqual(['diagnose_run', 'morning_report', 'review_agent'])
  const { messages } = await ask('prompts/get', { name: 'diagnose_run', arguments: { run_id: id } })
  expect(JSON.stringify(messages)).toContain(id)
  await expect(ask('prompts/get', { name: 'diagnose_run' })).rejects.toThrow('run_id')
})

test('the documentation is a list of resources, which models read as Markdown', async () => {
  const { address } = await httpYard()
  const { ask } = connectMcp(address)
  const { resources } = await ask('resources/list')
  const guide = resources.find(({ uri }: { uri: string }) => uri === 'runyard://docs/guides/worker.md')
  expect(guide).toMatchObject({ name: 'Write a worker', mimeType: 'text/markdown', description: expect.any(String) })
  const read = async (uri: string) => (await ask('resources/read', { uri })).contents[0]
  expect(await read(guide.uri)).toMatchObject({
    mimeType: 'text/markdown',
    text: expect.stringMatching(/^# Write a worker/),
  })
  for (const uri of ['runyard://docs/nope.md', 'runyard://docs/../package.json', 'runyard://docs/style.md'])
    await expect(read(uri), uri).rejects.toThrow(/not.found|No route/)
})

test('`runyard mcp` serves the same tools over stdio', { timeout: 120_000 }, async () => {
  const { address } = await httpYard()
  const messages = [
    initialize('2025-06-18'),
    { jsonrpc: '2.0', method: 'notifications/initialized' },
    { jsonrpc: '2.0', id: 2, method: 'tools/list' },
    { jsonrpc: '2.0', id: 3, method: 'tools/call', params: { name: 'overview', arguments: {} } },
  ]
  const stdin = messages.map((message) => `${JSON.stringify(message)}\n`).join('')
  const serving = commandLine(address).start(['mcp'], { stdin, stdinStaysOpen: true })
  // Answers come in the order in which they are ready.
  await serving.printed('"id":2')
  await serving.printed('pending_questions')
  serving.signal('SIGTERM')
  const answers = (await serving.ended).stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const listed = answers.find(({ id }) => id === 2).result.tools.map(({ name }: { name: string }) => name)
  expect(listed).toEqual(await connectMcp(address).tools())
})
