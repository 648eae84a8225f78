// The tool servers of the protocol's authors, and a model that does a governed task with both of them.
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { expect, onTestFinished, test, vi } from 'vitest'
import { until } from '#test/support/http-yard.ts'
import { closedPort } from '#test/support/local-servers.ts'
import { gatewayYard } from './agent-client.ts'
import { mcpUpstream, type Tool } from './mcp-upstream.ts'

vi.setConfig({ testTimeout: 120_000 })

const programOf = (name: string): string => {
  const manifest = createRequire(import.meta.url).resolve(`@modelcontextprotocol/${name}/package.json`)
  return join(manifest, '..', 'dist', 'index.js')
}

/** It speaks Streamable HTTP by itself. */
async function everything(): Promise<string> {
  const port = await closedPort()
  const program = spawn(process.execPath, [programOf('server-everything'), 'streamableHttp'], {
    env: { ...process.env, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  onTestFinished(() => void program.kill())
  await new Promise<void>((resolve, reject) => {
    program.stderr.on('data', (chunk) => String(chunk).includes('listening') && resolve())
    program.once('exit', (code) => reject(new Error(`server-everything ended with ${code}`)))
  })
  return `http://127.0.0.1:${port}/mcp`
}

/** It speaks over its standard streams: a bridge of the protocol's own client and server, as an operator would set up. */
async function filesystem(folder: string): Promise<string> {
  const client = new Client({ name: 'bridge', version: '1' })
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [programOf('server-filesystem'), folder],
      stderr: 'ignore',
    }),
  )
  onTestFinished(() => client.close())
  const { tools } = await client.listTools()
  const bridged = tools.map(
    (tool): Tool => ({
      ...tool,
      call: (args) => client.callTool({ name: tool.name, arguments: args }),
    }),
  )
  return (await mcpUpstream(bridged)).url
}

test('server-everything and server-filesystem are read and called through the gateway', async () => {
  const { register, connect } = await gatewayYard()
  const folder = await mkdtemp(join(tmpdir(), 'runyard-gateway-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'a.txt'), 'hello')
  expect(await register('every', await everything())).toMatchObject({ last_error: null })
  expect(await register('files', await filesystem(folder))).toMatchObject({ last_error: null })
  const agent = await connect('support')
  expect(await agent.tools()).toEqual(
    expect.arrayContaining(['every__echo', 'every__get-sum', 'files__read_text_file']),
  )
  expect((await agent.call('every__echo', { message: 'Ada' })).text).toBe('Echo: Ada')
  expect((await agent.call('every__get-sum', { a: 2, b: 3 })).text).toContain('5')
  expect(
    (await agent.call('every__get-structured-content', { location: 'New York' })).result.structuredContent,
  ).toBeTypeOf('object')
  const steps: unknown[] = []
  const long = { duration: 1, steps: 2 }
  await agent.call('every__trigger-long-running-operation', long, {}, { onprogress: (it: unknown) => steps.push(it) })
  expect(steps.length).toBeGreaterThan(0)
  expect((await agent.call('files__read_text_file', { path: join(folder, 'a.txt') })).text).toBe('hello')
  expect(await agent.call('files__read_text_file', { path: '/etc/passwd' })).toMatchObject({ isError: true })
})

/** A model that was told what to do, and does it call by call. */
const TASK = (folder: string) => [
  { name: 'files__move_file', args: { source: join(folder, 'a.txt'), destination: join(folder, 'b.txt') } },
  { name: 'files__write_file', args: { path: join(folder, 'note.txt'), content: 'draft of the model' } },
  { name: 'every__get-sum', args: { a: 1, b: 2 } },
  { name: 'every__echo', args: { message: 'more than it may spend' } },
]

test('the policy blocks one call, a person approves another with edits, the budget stops a third: all in one waterfall', async () => {
  const { call, register, connect } = await gatewayYard()
  const folder = await mkdtemp(join(tmpdir(), 'runyard-gateway-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await register('every', await everything())
  await register('files', await filesystem(folder))
  await call('PUT', '/v1/agents/clerk/policy', {
    mode: 'enforce',
    policy: {
      blocked_tools: ['files__move_file'],
      approval_tools: ['files__write_file'],
      prices_microusd: { 'every__get-sum': 700, every__echo: 700 },
      max_spend_microusd_per_run: 1_000,
    },
  })
  const model = await connect('clerk')
  const approving = until(
    () => call('GET', '/v1/input-requests?status=pending'),
    ({ body }) => body.data.length === 1,
  ).then(({ body }) =>
    call('POST', `/v1/input-requests/${body.data[0].id}/answer`, {
      approved: true,
      params: { content: 'as a person wants it' },
    }),
  )
  const results = []
  for (const { name, args } of TASK(folder)) results.push(await model.call(name, args))
  await approving
  expect(results.map(({ meta }) => meta['runyard.reason'])).toEqual([
    'tool_explicitly_blocked',
    'ok',
    'ok',
    'max_spend_usd_per_run_exceeded',
  ])
  expect(await readFile(join(folder, 'note.txt'), 'utf8')).toBe('as a person wants it')
  await model.end()
  const runId = results[0]!.meta['runyard.run_id']
  const { spans, texts, status } = (await call('GET', `/v1/runs/${runId}/timeline`)).body
  const shown = spans.kind.map((kind: string, at: number) =>
    [kind, texts[spans.name[at]], texts[spans.status[at]]].join(' '),
  )
  expect(shown.sort()).toEqual([
    'attempt Attempt 1 completed',
    'execute executing completed',
    'tool every__echo failed',
    'tool every__get-sum completed',
    'tool files__move_file failed',
    'tool files__write_file completed',
  ])
  expect(status).toBe('completed')
})
