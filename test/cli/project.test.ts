// Jobs, people, agents, events, seals, usage, keys and health by the command line.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { callerOf, httpYard, trigger, untilState } from '#test/support/http-yard.ts'
import { commandLine } from './command-line.ts'

// Each line is a process that starts.
vi.setConfig({ testTimeout: 180_000 })

async function yard() {
  const node = await httpYard()
  const cli = commandLine(node.address)
  const write = (name: string, value: unknown) => writeFileSync(join(cli.folder, name), JSON.stringify(value))
  return { ...node, ...cli, write }
}

test('job apply creates what is missing, changes what differs, and shows both first', async () => {
  const { run, call, write } = await yard()
  write('jobs.json', [
    { slug: 'a', execution: 'worker', max_attempts: 2 },
    { slug: 'b', execution: 'worker' },
  ])
  const dry = await run(['job', 'apply', '-f', 'jobs.json', '--dry-run'])
  expect(dry).toMatchObject({ code: 0, stdout: '' })
  expect(dry.stderr).toContain('Job a is new:')
  expect((await call('GET', '/v1/jobs/a')).status).toBe(404)
  expect((await run(['job', 'apply', '-f', 'jobs.json'])).code).toBe(0)
  write('jobs.json', [{ slug: 'a', execution: 'worker', max_attempts: 5 }])
  const changed = await run(['job', 'apply', '-f', 'jobs.json'])
  expect(changed.stderr).toBe('Job a changes:\n- max_attempts: 2\n+ max_attempts: 5\n')
  expect((await call('GET', '/v1/jobs/a')).body).toMatchObject({ max_attempts: 5, version: 2 })
  expect((await run(['job', 'apply', '-f', 'jobs.json'])).stderr).toBe('Job a is up to date.\n')
  write('typo.json', [
    { slug: 'c', execution: 'worker' },
    { slug: 'd', max_attempt: 5 },
  ])
  const typo = await run(['job', 'apply', '-f', 'typo.json'])
  expect(typo.code).toBe(6)
  expect(typo.stderr).toContain('max_attempt')
  expect((await call('GET', '/v1/jobs/c')).status).toBe(404)
})

test('job apply does not print the values of headers, and tells when they are as they were', async () => {
  const { run, call, write } = await yard()
  const job = (Authorization: string) => ({
    slug: 'a',
    execution: 'http',
    endpoint_url: 'http://127.0.0.1:9000/',
    endpoint_headers: { Authorization },
  })
  write('job.json', job('Bearer one'))
  const apply = () => run(['job', 'apply', '-f', 'job.json'])
  const made = await apply()
  expect(made.stderr).toContain('+ endpoint_headers: Authorization\n')
  expect(made.stderr + made.stdout).not.toContain('Bearer')
  expect((await apply()).stderr).toBe('Job a is up to date.\n')
  write('job.json', job('Bearer two'))
  expect((await apply()).stderr).toBe(
    'Job a changed:\n- endpoint_headers: Authorization\n+ endpoint_headers: Authorization\n',
  )
  expect((await call('GET', '/v1/jobs/a')).body.version).toBe(2)
})

test('a job is listed, paused, resumed, scheduled and deleted', async () => {
  const { run, call } = await yard()
  await call('POST', '/v1/jobs', { slug: 'nightly', execution: 'worker', cron: '0 3 * * *' })
  expect((await run(['jobs'])).stdout).toMatch(/nightly +worker/)
  expect((await run(['job', 'pause', 'nightly', '--reason', 'x'])).stderr).toBe('Job nightly is paused.\n')
  expect((await run(['job', 'resume', 'nightly'])).stderr).toBe('Job nightly is active.\n')
  expect((await run(['job', 'schedule', 'nightly', '--count', '3', '--utc'])).stdout.match(/03:00:00Z/g)).toHaveLength(
    3,
  )
  expect((await run(['job', 'nightly'])).stdout).toMatch(/cron +0 3 \* \* \*/)
  expect((await run(['job', 'delete', 'nightly'])).code).toBe(2)
  expect((await run(['job', 'delete', 'nightly', '--yes'])).code).toBe(0)
})

test('a question is found in the inbox, shown and answered', async () => {
  const { run, call, address } = await yard()
  await call('POST', '/v1/jobs', { slug: 'ask', execution: 'worker' })
  const { id } = await trigger(call, 'ask')
  const { run_token } = (await call('POST', '/v1/workers/claim', { worker_id: 'w' })).body.runs[0]
  const asked = await callerOf(address, run_token)('POST', `/v1/runs/${id}/input-requests`, {
    kind: 'approval',
    prompt: 'Pay 100?',
    params: { amount: 100 },
    editable_params: ['amount'],
  })
  await untilState(call, id, ['waiting'])
  expect((await run(['inbox'])).stdout).toContain('Pay 100?')
  expect((await run(['question', asked.body.id])).stdout).toMatch(/Editable +amount/)
  expect((await run(['answer', asked.body.id])).code).toBe(2)
  expect((await run(['answer', asked.body.id, '--approve', '--param', 'amount=50'])).code).toBe(0)
  expect((await call('GET', `/v1/input-requests/${asked.body.id}`)).body.answer).toMatchObject({
    approved: true,
    params: { amount: 50 },
  })
  expect((await run(['answer', asked.body.id, '--refuse'])).code).toBe(5)
  expect((await run(['inbox'])).stderr).toBe('Nothing waits for an answer.\n')
})

test('an agent is switched off and on, and its policy set, tried and read', async () => {
  const { run, write } = await yard()
  expect((await run(['agent', 'off', 'support', '--reason', 'odd'])).stderr).toBe('Agent support is off.\n')
  expect((await run(['agents'])).stdout).toMatch(/support +off/)
  expect((await run(['status'])).stdout).toContain('support (odd)')
  expect((await run(['agent', 'on', 'support'])).code).toBe(0)
  expect((await run(['policy', 'get', 'support'])).code).toBe(4)
  write('policy.json', { blocked_tools: ['refund'] })
  const unsure = await run(['policy', 'set', 'support', '-f', 'policy.json'])
  expect(unsure.code).toBe(2)
  expect(unsure.stderr).toContain('+ blocked_tools: ["refund"]')
  expect((await run(['policy', 'set', 'support', '-f', 'policy.json', '--yes'])).code).toBe(0)
  expect(JSON.parse((await run(['policy', 'get', 'support'])).stdout)).toMatchObject({ blocked_tools: ['refund'] })
  write('other.json', { approval_tools: ['pay'] })
  const replaced = await run(['policy', 'set', 'support', '-f', 'other.json', '--dry-run'])
  expect(replaced.stderr).toBe(
    '- blocked_tools: ["refund"]\n+ blocked_tools: []\n- approval_tools: []\n+ approval_tools: ["pay"]\n',
  )
  expect((await run(['policy', 'try', 'support', '-f', 'policy.json', '--days', '1'])).stdout).toMatch(/Calls +0/)
})

test('events are listed, traced and exported, and the seals verified', async () => {
  const { run, call } = await yard()
  await call('POST', '/v1/jobs', { slug: 'greet', execution: 'worker' })
  const { id } = await trigger(call, 'greet')
  expect((await run(['events', '--type', 'run.created'])).stdout).toContain(`run=${id}`)
  expect((await run(['events', 'tree', id])).stdout).toContain('run.created')
  const exported = await run(['events', 'export', '--from', '1h'])
  expect(exported.code).toBe(0)
  for (const line of exported.stdout.trim().split('\n')) JSON.parse(line)
  const verified = await run(['seals', 'verify', '--json'])
  expect(verified.code).toBe(0)
  expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true })
  expect((await run(['seals', 'head'])).code).toBe(0)
})

test('keys are created for a task, listed and revoked', async () => {
  const { run, address } = await yard()
  const made = await run(['keys', 'new', 'w', '--preset', 'worker'])
  const key = made.stdout.trim()
  const claim = await callerOf(address, key)('POST', '/v1/workers/claim', { worker_id: 'w' })
  expect(claim.status).toBe(200)
  expect((await run(['keys', 'new', 'x'])).code).toBe(2)
  const listed = await run(['keys', '--json'])
  const { id } = listed.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .find(({ name }) => name === 'w')
  expect(listed.stdout).not.toContain(key)
  expect((await run(['keys', 'revoke', id, '--yes'])).code).toBe(0)
  expect((await callerOf(address, key)('GET', '/v1/me')).status).toBe(401)
})

test('status and doctor tell by exit code and words how the installation is', async () => {
  const { run, call } = await yard()
  await call('POST', '/v1/jobs', { slug: 'greet', execution: 'worker', queue: 'q1' })
  await trigger(call, 'greet')
  const status = await run(['status', '--json'])
  expect(JSON.parse(status.stdout)).toMatchObject({ stats: { runs: { queued: 1 } }, agents_off: [] })
  expect((await run(['status'])).stdout).toMatch(/q1 +1/)
  const doctor = await run(['doctor', '--json'])
  const { findings } = JSON.parse(doctor.stdout)
  expect(findings.map(({ check }: { check: string }) => check)).toEqual(
    expect.arrayContaining(['server', 'version', 'key', 'clock']),
  )
  expect((await run(['usage', '--by', 'day,model'])).stderr).toContain('No model calls')
  expect((await run(['prices', '--limit', '3'])).stdout).toMatch(/PROVIDER +MODEL/)
  expect((await run(['projects'])).stdout).toContain('default')
})
