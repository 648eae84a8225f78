// Workers and failures from the command line, as processes against a real node.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { asAttempt, claimOne, settleOne, workerJob } from '#test/support/builders/attempts.ts'
import { httpYard, trigger, untilState } from '#test/support/http-yard.ts'
import { commandLine } from './command-line.ts'

// Each line is a process that starts.
vi.setConfig({ testTimeout: 180_000 })

const ROOT = join(import.meta.dirname, '../..')

/** A folder in which `runyard` can be imported, as where it is installed. */
function projectFolder(): string {
  mkdirSync(join(ROOT, 'dist'), { recursive: true })
  const folder = mkdtempSync(join(ROOT, 'dist/cli-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function yard() {
  const node = await httpYard()
  return { ...node, ...commandLine(node.address), cwd: projectFolder() }
}

const jobsThatSay = (said: string) => `import { defineJob } from 'runyard'
import { suffix } from './suffix.mjs'
export const greet = defineJob('greet', { run: ({ payload }) => '${said} ' + payload + suffix })
export const others = [defineJob('fail', { maxAttempts: 1, run: () => { throw new Error('order 7 is broken') } })]
export const unrelated = { name: 'not a job' }
`

test('a worker registers the jobs of a file, executes their runs, and returns what is left at SIGTERM', async () => {
  const { start, call, cwd } = await yard()
  writeFileSync(join(cwd, 'suffix.mjs'), "export const suffix = '!'")
  writeFileSync(join(cwd, 'jobs.mjs'), jobsThatSay('Hello'))
  const worker = start(['worker', 'jobs.mjs'], { cwd })
  await worker.printed('Working on greet, fail, until Ctrl-C.')
  const { id } = await trigger(call, 'greet', { payload: 'Ada' })
  expect((await untilState(call, id, ['completed'])).body.result).toBe('Hello Ada!')
  const { id: failed } = await trigger(call, 'fail')
  await untilState(call, failed, ['failed', 'dead_letter'])
  await worker.printed(`greet ${id}  completed in`)
  await worker.printed('Error: order 7 is broken')
  worker.signal('SIGTERM')
  expect(await worker.ended).toMatchObject({ code: 143, stdout: '' })
})

test('with --dev a worker starts again when a file changes that its jobs import', { timeout: 400_000 }, async () => {
  const { start, call, cwd } = await yard()
  writeFileSync(join(cwd, 'suffix.mjs'), "export const suffix = '!'")
  writeFileSync(join(cwd, 'jobs.mjs'), jobsThatSay('Hello'))
  const worker = start(['worker', 'jobs.mjs', '--dev'], { cwd })
  await worker.printed('Working on greet')
  const said = async () => {
    const { id } = await trigger(call, 'greet', { payload: 'Ada' })
    return (await untilState(call, id, ['completed'], 60_000)).body.result
  }
  expect(await said()).toBe('Hello Ada!')
  writeFileSync(join(cwd, 'suffix.mjs'), "export const suffix = '?'")
  // A run may still be taken by the process that is ending.
  await vi.waitFor(async () => expect(await said()).toBe('Hello Ada?'), { timeout: 200_000, interval: 100 })
  worker.signal('SIGTERM')
  expect((await worker.ended).code).toBe(143)
})

test('a worker without jobs says what is wrong', async () => {
  const { run, cwd } = await yard()
  writeFileSync(join(cwd, 'none.mjs'), 'export const x = 1')
  writeFileSync(join(cwd, 'broken.mjs'), 'export const = 1')
  expect(await run(['worker', 'none.mjs'], { cwd })).toMatchObject({
    code: 6,
    stderr: expect.stringContaining('none.mjs exports no job.'),
  })
  expect((await run(['worker', 'missing.mjs'], { cwd })).stderr).toContain('missing.mjs does not exist.')
  expect((await run(['worker', 'broken.mjs'], { cwd })).stderr).toContain('broken.mjs cannot be loaded: ')
  expect((await run(['worker'], { cwd })).code).toBe(2)
  expect((await run(['worker', 'none.mjs', '--register', 'some'], { cwd })).code).toBe(2)
})

test('failures are listed in groups, and a group is shown with its runs', async () => {
  const { run, call } = await yard()
  await call('POST', '/v1/jobs', workerJob('pay', { queue: 'pay', max_attempts: 1 }))
  expect(await run(['failures'])).toMatchObject({ code: 0, stdout: '', stderr: 'Nothing has failed.\n' })
  const ids: string[] = []
  for (const order of [7, 8]) {
    ids.push((await trigger(call, 'pay')).id)
    await settleOne(call, await claimOne(call, 'pay'), { outcome: 'failed', error: `Order ${order} is broken` })
  }
  const listed = await run(['failures', '--job', 'pay', '--since', '1h', '--json'])
  const [group, ...others] = listed.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(others).toEqual([])
  expect(group).toMatchObject({ count: 2, job_slug: 'pay' })
  const table = await run(['failures'])
  expect(table.stdout).toMatch(/^GROUP +COUNT/)
  expect(table.stdout).toContain(group.error_group)
  const shown = await run(['failures', group.error_group])
  for (const id of ids) expect(shown.stdout).toContain(id)
  expect(shown.stdout).toMatch(/Failures +2 runs/)
  const json = await run(['failures', group.error_group, '--json'])
  expect(
    json.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).id ?? 'group'),
  ).toEqual(['group', ...ids.reverse()])
  expect((await run(['failures', '0123456789abcdef'])).code).toBe(4)
  expect((await run(['failures', 'pay'])).code).toBe(2)
})

test('a log that is followed keeps all digits of its numbers', async () => {
  const { run, call } = await yard()
  await call('POST', '/v1/jobs', workerJob('job', { queue: 'job' }))
  const { id } = await trigger(call, 'job')
  const it = await claimOne(call, 'job')
  await call('POST', `/v1/runs/${id}/log`, '{"message":"m","data":{"n":12345678901234567890.10}}', {
    key: it.run_token,
  })
  expect((await asAttempt(call, it, 'progress', { percent: 1 })).status).toBe(201)
  await settleOne(call, it)
  expect((await run(['logs', id, '-f', '--json'])).stdout).toContain('12345678901234567890.10')
})

test('help begins with examples', async () => {
  const { run } = await yard()
  const { stdout } = await run(['failures', '--help'])
  expect(stdout.indexOf('Examples:')).toBeGreaterThan(0)
  expect(stdout.indexOf('Examples:')).toBeLessThan(stdout.indexOf('Options:'))
  const all = (await run(['--help'])).stdout
  expect(all.indexOf('Examples:')).toBeLessThan(all.indexOf('Options:'))
  expect(all).toContain('Exit codes:')
})
