// What holds for every command: channels, exit codes, keys, closed pipes, text that tries to reach the terminal.
import { chmodSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { ROUTES } from '#contract/routes.ts'
import { httpYard, KEY, trigger } from '#test/support/http-yard.ts'
import { httpServer } from '#test/support/local-servers.ts'
import { commandLine } from './command-line.ts'

// Each line is a process that starts.
vi.setConfig({ testTimeout: 180_000 })

async function yard() {
  const node = await httpYard()
  return { ...node, ...commandLine(node.address) }
}
const NO_KEY = { RUNYARD_API_KEY: '' }

test('an error names its code, the request and what to try, and its exit code its class', async () => {
  const { run } = await yard()
  const missing = await run(['run', 'nope'])
  expect(missing).toMatchObject({ code: 4, stdout: '' })
  expect(missing.stderr).toMatch(/^Error: Run nope not found\.\ncode +run_not_found\nrequest +\S+\ntry +List runs/)
  const json = await run(['run', 'nope', '--json'])
  expect(JSON.parse(json.stderr)).toMatchObject({
    error: { code: 'run_not_found' },
    exit_code: 4,
    request_id: expect.any(String),
  })
  expect((await run(['runs'], { env: NO_KEY })).code).toBe(3)
  expect((await run(['runs'], { env: { RUNYARD_API_KEY: 'wrong' } })).code).toBe(3)
  expect((await run(['runz'])).stderr).toContain('Did you mean')
  expect((await run(['runs', '--status', 'odd'])).code).toBe(2)
  expect((await run(['runs', '--since', 'yesterday'])).code).toBe(2)
  expect((await run(['trigger', 'greet', '-d', '{'])).code).toBe(6)
  expect((await run(['trigger', 'greet', '-d', '@missing.json'])).stderr).toContain('missing.json does not exist')
})

test('a server that is away is exit code 8, one that is overloaded is 7', async () => {
  const { run } = await yard()
  const away = await run(['status', '--url', 'http://127.0.0.1:1'], { env: { RUNYARD_URL: '' } })
  expect(away).toMatchObject({ code: 8, stdout: '' })
  expect(away.stderr).toContain('runyard start')
  const busy = await httpServer((_, response) => {
    response.writeHead(503, { 'retry-after': '120' }).end('{"error":{"code":"overloaded","message":"Full."}}')
  })
  expect((await run(['runs'], { env: { RUNYARD_URL: busy.url } })).code).toBe(7)
})

test('a key is kept in a file that only its owner can read, and is only sent where it belongs', async () => {
  const { run, address, folder } = await yard()
  const env = { ...NO_KEY, RUNYARD_URL: '' }
  expect((await run(['login', address, '--name', 'here'], { env, stdin: `${KEY}\n` })).code).toBe(0)
  const path = join(folder, 'config/runyard/profiles.json')
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readFileSync(path, 'utf8')).toContain(KEY)
  expect((await run(['whoami', '--json'], { env })).stdout).toContain('"scopes"')
  const asked: (string | undefined)[] = []
  const stranger = await httpServer((request, response) => {
    asked.push(request.headers.authorization)
    response.end('{}')
  })
  expect((await run(['whoami', '--url', stranger.url], { env })).code).toBe(3)
  expect(asked).toEqual([])
  expect((await run(['login', address, '--name', 'wrong'], { env, stdin: 'nope\n' })).code).toBe(3)
  expect((await run(['use'], { env })).stdout).toMatch(/\* +here/)
  expect((await run(['use', 'nope'], { env })).code).toBe(4)
  chmodSync(path, 0o644)
  expect((await run(['doctor', '--quiet'], { env })).stdout).toContain('chmod 600')
  expect((await run(['logout', 'here'], { env })).code).toBe(0)
  expect(readFileSync(path, 'utf8')).not.toContain(KEY)
})

test('text of a server cannot reach the terminal as control characters', async () => {
  const { run, call } = await yard()
  await call('POST', '/v1/jobs', { slug: 'greet', execution: 'worker' })
  const { id } = await trigger(call, 'greet', { payload: '\u001b]0;owned\u0007\u009b31m', tags: { t: '\u001b[2J' } })
  for (const args of [
    ['run', id],
    ['run', id, '--json'],
    ['run', id, '--plain'],
    ['runs', '--json'],
    ['logs', id],
  ]) {
    const { stdout, stderr } = await run(args)
    expect((stdout + stderr).replace(/[\n\t]/g, '')).not.toMatch(/\p{Cc}/u)
  }
})

test('a reader that has seen enough is no error', async () => {
  const { start, call } = await yard()
  await call('POST', '/v1/jobs', { slug: 'greet', execution: 'worker' })
  const following = start(['events', '-f', '--json'])
  await following.printed('Following')
  await trigger(call, 'greet')
  await following.printed('run.created')
  following.closeStdout()
  await trigger(call, 'greet')
  await trigger(call, 'greet')
  const { code, stderr } = await following.ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: 'Following events, until Ctrl-C.\n' })
})

test('Ctrl-C ends following with exit code 130', async () => {
  const { start, call } = await yard()
  await call('POST', '/v1/jobs', { slug: 'greet', execution: 'worker' })
  const following = start(['events', '-f'])
  await following.printed('Following')
  await trigger(call, 'greet')
  await following.printed('run.created')
  following.signal('SIGINT')
  expect(await following.ended).toMatchObject({ code: 130, stderr: 'Following events, until Ctrl-C.\n' })
})

test('every route of the API is a command of `api`, with help made from the contract', async () => {
  const { run } = await yard()
  const listed = await run(['api', '--list', '--json'])
  const names = listed.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).name)
  expect(names.sort()).toEqual(ROUTES.map(({ name }) => name).sort())
  const help = await run(['api', 'triggerRun', '--help'])
  expect(help).toMatchObject({ code: 0, stderr: '' })
  expect(help.stdout).toContain('--idempotency-key')
})

test('`api` sends and prints bodies as they are', async () => {
  const { run, call } = await yard()
  const body = '{"slug": "greet", "execution": "worker", "tags": {"b": "1", "a": "2"}}'
  const made = await run(['api', 'createJob', '--body', body])
  expect(JSON.parse(made.stdout)).toMatchObject({ slug: 'greet' })
  const { stdout } = await run(['api', 'triggerRun', 'greet', '--payload', '{"x": 1}', '--tags', 'k=v'])
  expect(JSON.parse(stdout)).toMatchObject({ tags: { k: 'v' } })
  expect((await run(['api', 'getRun', JSON.parse(stdout).id, '--include', 'payload'])).code).toBe(0)
  expect((await run(['api', 'deleteJob', 'greet', '--cancel-runs'])).code).toBe(0)
  expect((await call('GET', '/v1/jobs/greet')).status).toBe(404)
  expect((await run(['api', 'getJob', 'greet'])).code).toBe(4)
  expect((await run(['api', 'nope'])).code).toBe(2)
})

test('completion offers commands, options and the values of an option', async () => {
  const { run } = await yard()
  const words = async (...typed: string[]) => (await run(['complete-words', '--', ...typed])).stdout.trim().split('\n')
  expect(await words('wh')).toEqual(['whoami', 'why'])
  expect(await words('keys', 'r')).toEqual(['revoke', 'rotate'])
  expect(await words('runs', '--status', 'dead')).toEqual(['dead_letter'])
  expect(await words('runs', '--sin')).toEqual(['--since'])
  expect((await run(['completion', 'bash'])).stdout).toContain('complete -o default -F _runyard runyard')
  expect((await run(['completion', 'tcsh'])).code).toBe(2)
})
