// The command line at work on runs, as processes against a real node.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { httpYard, trigger, untilState } from '#test/support/http-yard.ts'
import { httpServer } from '#test/support/local-servers.ts'
import { commandLine } from './command-line.ts'

// Each line is a process that starts.
vi.setConfig({ testTimeout: 180_000 })

async function yard() {
  const node = await httpYard()
  const answered = { status: 200, body: '{"n":12345678901234567890.10}' }
  const endpoint = await httpServer((_, response) => void response.writeHead(answered.status).end(answered.body))
  const make = (slug: string, more: object = {}) =>
    node.call('POST', '/v1/jobs', { slug, execution: 'worker', ...more })
  const http = { execution: 'http', endpoint_url: endpoint.url, max_attempts: 1 }
  return { ...node, ...commandLine(node.address), answered, make, http }
}

test('trigger prints the id of the run on stdout and nothing else, and words on stderr', async () => {
  const { run, make, call } = await yard()
  await make('greet')
  const { code, stdout, stderr } = await run([
    'trigger',
    'greet',
    '-d',
    '{"name": "Ada"}',
    '--tag',
    'team=a',
    '--priority',
    '5',
  ])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^[0-9a-f-]{36}\n$/)
  expect(stderr).toContain(`/runs/${stdout.trim()}`)
  const made = (await call('GET', `/v1/runs/${stdout.trim()}`)).body
  expect(made).toMatchObject({ payload: { name: 'Ada' }, tags: { team: 'a' }, priority: 5 })
})

test('trigger --wait prints the result, and its exit code tells how the run ended', async () => {
  const { run, make, http, answered } = await yard()
  await make('pay', http)
  const well = await run(['trigger', 'pay', '-d', '-', '--wait'], { stdin: '{"a": 1}' })
  expect(well).toMatchObject({ code: 0 })
  expect(well.stdout).toBe('{"n":12345678901234567890.10}\n')
  answered.status = 500
  const badly = await run(['trigger', 'pay', '--wait', '--quiet'])
  expect(badly).toMatchObject({ code: 1, stdout: '', stderr: '' })
  const followed = await run(['trigger', 'pay', '--follow', '--json'])
  expect(followed.code).toBe(1)
  const types = followed.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).type)
  expect(types).toEqual(expect.arrayContaining(['run.created', 'run.started']))
})

test('waiting for a run can be bounded; the run goes on', async () => {
  const { run, make, call } = await yard()
  await make('slow')
  const { code, stderr } = await run(['trigger', 'slow', '--wait', '--wait-timeout', '300ms'])
  expect(code).toBe(1)
  const id = /Run +(\S+)/.exec(stderr)![1]
  expect((await call('GET', `/v1/runs/${id}`)).body.status).toBe('queued')
})

test('runs are listed as a table that fits, as tab-separated values, or as one JSON document a line', async () => {
  const { run, make, call } = await yard()
  await make('a-job-with-quite-a-long-name-that-goes-on-and-on')
  for (let n = 0; n < 3; n++)
    await trigger(call, 'a-job-with-quite-a-long-name-that-goes-on-and-on', { tags: { n: String(n) } })
  const table = await run(['runs'])
  expect(table.stdout.split('\n')[0]).toMatch(/^RUN +STATUS/)
  for (const line of table.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  const plain = await run(['runs', '--plain', '--tag', 'n:1'])
  expect(plain.stdout.trim().split('\n')).toHaveLength(1)
  expect(plain.stdout.split('\t')[2]).toBe('a-job-with-quite-a-long-name-that-goes-on-and-on')
  const json = await run(['runs', '--json', '--limit', '2', '--since', '1h'])
  expect(
    json.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).status),
  ).toEqual(['queued', 'queued'])
  const none = await run(['runs', '--status', 'failed'])
  expect(none).toMatchObject({ code: 0, stdout: '', stderr: 'No run matches.\n' })
})

test('a run is shown with its payload, explained, and its log and attempts listed', async () => {
  const { run, make, call, http } = await yard()
  await make('pay', http)
  const { id } = await trigger(call, 'pay', { payload: { customer: 'c1' } })
  await untilState(call, id, ['completed'])
  const shown = await run(['run', id])
  expect(shown.stdout).toMatch(/Status +completed/)
  expect(shown.stdout).toContain('"customer": "c1"')
  expect((await run(['why', id])).stdout).toMatch(/completed|ended/i)
  expect((await run(['logs', id])).stdout).toMatch(/run\.created[\s\S]*run\.completed/)
  expect((await run(['logs', id, '-f'])).code).toBe(0)
  expect((await run(['watch', id])).stdout).toContain('run.completed')
  expect((await run(['attempts', id])).stdout).toContain('run.completed')
  expect((await run(['tree', id])).stdout).toContain(`${id}  completed  pay`)
})

test('a debug bundle becomes a file, which is not replaced unless asked for', async () => {
  const { run, make, call, folder } = await yard()
  await make('greet')
  const { id } = await trigger(call, 'greet')
  expect((await run(['bundle', id])).stdout).toBe(`runyard-${id}.zip\n`)
  expect(
    readFileSync(join(folder, `runyard-${id}.zip`))
      .subarray(0, 2)
      .toString(),
  ).toBe('PK')
  const again = await run(['bundle', id])
  expect(again).toMatchObject({ code: 5, stdout: '' })
  expect(again.stderr).toContain('exists already')
  expect((await run(['bundle', id, '--force'])).code).toBe(0)
  const missing = await run(['bundle', 'nope'])
  expect(missing.code).toBe(4)
  expect(existsSync(join(folder, 'runyard-nope.zip'))).toBe(false)
})

test('runs are acted on by id: what fails for one is reported and stops no other', async () => {
  const { run, make, call } = await yard()
  await make('greet')
  const { id: one } = await trigger(call, 'greet')
  const { id: other } = await trigger(call, 'greet')
  const { code, stdout, stderr } = await run(['cancel', '-', '--reason', 'test'], { stdin: `${one}\nnope\n${other}\n` })
  expect(code).toBe(4)
  expect(stdout.trim().split('\n').sort()).toEqual([one, other].sort())
  expect(stderr).toContain('Run nope not found.')
  expect((await run(['pause', one])).code).toBe(5)
  const replayed = await run(['replay', one, '--quiet'])
  expect((await call('GET', `/v1/runs/${replayed.stdout.trim()}`)).body.replayed_from).toBe(one)
})

test('runs are acted on by a filter after a dry run and a confirmation', async () => {
  const { run, make, call } = await yard()
  await make('greet')
  for (let n = 0; n < 12; n++) await trigger(call, 'greet')
  const dry = await run(['cancel', '--job', 'greet', '--dry-run'])
  expect(dry.code).toBe(0)
  expect(dry.stderr).toContain('12 runs would be canceled')
  const unsure = await run(['cancel', '--job', 'greet'])
  expect(unsure.code).toBe(2)
  expect(unsure.stderr).toContain('--yes')
  expect((await call('GET', '/v1/stats')).body.runs.queued).toBe(12)
  const done = await run(['cancel', '--job', 'greet', '--yes'])
  expect(done).toMatchObject({ code: 0, stdout: '12 runs canceled, 0 skipped\n' })
  const paused = await run(['resume', '--job', 'greet', '--yes'])
  expect(paused).toMatchObject({ code: 0, stderr: 'No run matches.\n' })
  expect((await run(['cancel'])).code).toBe(2)
  expect((await run(['cancel', 'x', '--all'])).code).toBe(2)
})
