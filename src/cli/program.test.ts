// Commands towards servers whose answers come in parts, break off, or never come.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { afterEach, expect, inject, test, vi } from 'vitest'
import { closedPort, httpServer } from '#test/support/local-servers.ts'
import { runProgram } from './program.ts'

afterEach(() => void vi.restoreAllMocks())

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** Runs a command line in this process, against a server that answers like this. */
async function runAgainst(answer: Answer, argv: readonly string[]) {
  const { url } = await httpServer(answer)
  return runAt(url, argv)
}

async function runAt(url: string, argv: readonly string[]) {
  const printed = { stdout: '', stderr: '' }
  for (const channel of ['stdout', 'stderr'] as const)
    vi.spyOn(process[channel], 'write').mockImplementation(((chunk: unknown, ...rest: unknown[]) => {
      printed[channel] += String(chunk)
      const done = rest.at(-1)
      if (typeof done === 'function') done()
      return true
    }) as never)
  const env = { RUNYARD_URL: url, RUNYARD_API_KEY: 'k', XDG_CONFIG_HOME: join(inject('testRoot'), 'nowhere') }
  const code = await runProgram({ argv, env, signal: new AbortController().signal, version: '0.0.0' })
  vi.restoreAllMocks()
  return { code, ...printed }
}

const json = (response: ServerResponse, value: unknown) =>
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))

const run = (n: number) => ({ id: `run-${n}`, status: 'paused', job_slug: 'greet' })

test('a list that is cut off says so, also where JSON is printed', async () => {
  const answer: Answer = (_, response) => json(response, { data: [run(1), run(2)], has_more: true, next_cursor: 'c' })
  const cut = await runAgainst(answer, ['runs', '--json', '--limit', '2'])
  expect(cut).toEqual({
    code: 0,
    stdout: `${JSON.stringify(run(1))}\n${JSON.stringify(run(2))}\n`,
    stderr: 'There are more; show them with --limit 20.\n',
  })
})

test('a dry run over a filter prints the list as it came, without asking for each run', async () => {
  const asked: string[] = []
  const answer: Answer = ({ url = '' }, response) => {
    asked.push(url)
    json(response, { data: [run(1), run(2), run(3)], has_more: false, next_cursor: null })
  }
  const { stdout } = await runAgainst(answer, ['resume', '--job', 'greet', '--dry-run'])
  expect(stdout.trim().split('\n')).toEqual([1, 2, 3].map((n) => `run-${n}  paused  greet`))
  expect(asked).toHaveLength(1)
})

test('windows that retention deleted are counted over all calls of seals verify', async () => {
  const part = (windows: number, next: object | null) => ({
    ...{ ok: true, windows: 1, events: 10, sealed_until: null, first_problem: null, last_seal: null, next },
    gone: { windows, events: windows * 5, recorded_until: windows > 0 ? '2026-01-01T00:00:00Z' : null },
  })
  const answer: Answer = ({ url = '' }, response) =>
    json(response, url.includes('from_seal') ? part(0, null) : part(3, { from_seal: 3, expect: 'a'.repeat(64) }))
  const { stdout } = await runAgainst(answer, ['seals', 'verify', '--json'])
  expect(JSON.parse(stdout)).toMatchObject({
    windows: 2,
    events: 20,
    gone: { windows: 3, events: 15, recorded_until: '2026-01-01T00:00:00Z' },
  })
})

test('what a stream cannot filter by is refused, by the names of the options', async () => {
  const never: Answer = () => {}
  const logs = await runAgainst(never, ['logs', 'x', '-f', '--level', 'error'])
  expect(logs.code).toBe(2)
  expect(logs.stderr).toContain('--level cannot be combined with --follow.')
  const events = await runAgainst(never, ['events', '-f', '--since', '1h', '--limit', '3'])
  expect(events.code).toBe(2)
  expect(events.stderr).toContain('--since, --limit cannot be combined with --follow.')
})

test('logs -f asks the stream for the types that were asked for', async () => {
  const asked: string[] = []
  const answer: Answer = ({ url = '' }, response) => {
    asked.push(url)
    response.writeHead(404, { 'content-type': 'application/json' })
    response.end('{"error":{"code":"run_not_found","message":"Run x not found."}}')
  }
  expect((await runAgainst(answer, ['logs', 'x', '-f', '--type', 'run.failed'])).code).toBe(4)
  expect(asked[0]).toMatch(/\/v1\/runs\/x\/stream\?.*type=run\.failed/)
})

test('a reply that breaks off is an error of the network, and no bug of the command line', async () => {
  const breaksOff: Answer = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'content-length': '100' })
    response.write('data: {}\n\n', () => response.destroy())
  }
  for (const args of [
    ['api', 'streamEvents'],
    ['events', 'export', '--from', '1h'],
    ['events', 'export', '--from', '1h', '-o', join(inject('testRoot'), 'export.ndjson')],
  ]) {
    const { code, stderr } = await runAgainst(breaksOff, args)
    expect({ args, code }).toEqual({ args, code: 8 })
    expect(stderr).toContain('The server cannot be reached: GET /v1/events/')
    expect(stderr).not.toContain('bug')
  }
  const away = await runAt(`http://127.0.0.1:${await closedPort()}`, ['api', 'streamEvents'])
  expect(away.stderr).toContain('The server cannot be reached: GET /v1/events/')
})

test('a wait that no timer can hold is refused', async () => {
  const { code, stderr } = await runAgainst(() => {}, ['trigger', 'greet', '--wait', '--wait-timeout', '60d'])
  expect(code).toBe(2)
  expect(stderr).toContain('at most 24d')
})

test('following a quiet project outlasts a lost connection, however long nothing happened before', async () => {
  let connections = 0
  const now = performance.now.bind(performance)
  let laterMs = 0
  const answer: Answer = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    if (++connections === 1) {
      // Ten quiet minutes, with a comment at their end.
      laterMs = 600_000
      response.write(': still here\n\n', () => response.destroy())
    } else if (connections === 2)
      response.end('id: 1\ndata: {"type":"run.created","occurred_at":"2026-01-01T00:00:00Z"}\n\n')
    else response.destroy()
  }
  const { url } = await httpServer(answer)
  vi.spyOn(performance, 'now').mockImplementation(() => now() + laterMs)
  const { followLog } = await import('./follow-log.ts')
  const cli = {
    connection: { baseUrl: url, credential: 'k' },
    signal: AbortSignal.timeout(20_000),
    terminal: { say: () => {} },
  }
  const followed = followLog(cli as never, {})
  expect((await followed.next()).value).toMatchObject({ value: { type: 'run.created' } })
  await followed.return(undefined)
})
