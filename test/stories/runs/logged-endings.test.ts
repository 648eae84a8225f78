// What the log of a node tells of attempts, and of settings that it does not know.
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { readConfig } from '#config.ts'
import { startNode } from '#node.ts'
import { testDatabase } from '../../support/db.ts'
import { type Call, callerOf, KEY, until, untilState } from '../../support/http-yard.ts'
import { closedPort, httpServer } from '../../support/local-servers.ts'
import { startNode as startProcess } from '../../support/processes.ts'

type Line = { level: number; msg: string; runId?: string; [more: string]: unknown }

/** A node whose log is kept. */
async function loggingNode(): Promise<{ call: Call; linesOf: (runId: string) => Line[] }> {
  const { url } = await testDatabase()
  const lines: Line[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const config = readConfig({
    PORT: '0',
    RUNYARD_EGRESS: 'any',
    RUNYARD_API_KEY: KEY,
    RUNYARD_SHUTDOWN_GRACE_MS: '500',
  })
  const node = await startNode({ config, databaseUrl: url, keepKey: false, log })
  onTestFinished(() => node.close())
  const linesOf = (runId: string) => lines.filter((line) => line.runId === runId && line.msg.startsWith('an attempt'))
  return { call: callerOf(node.address), linesOf }
}

const WARN = 40
const INFO = 30
const DEBUG = 20

test('each failed attempt is one log line, the last one a warning; a success is logged at level debug', async () => {
  const { call, linesOf } = await loggingNode()
  const answers = [500, 500, 200]
  const { url } = await httpServer((_request, response) => response.writeHead(answers.shift() ?? 200).end('"said"'))
  const job = { execution: 'http', retry_strategy: 'fixed', retry_initial_delay_secs: 0, max_attempts: 2 }
  await call('POST', '/v1/jobs', { ...job, slug: 'j', endpoint_url: url })
  const lost = (await call('POST', '/v1/jobs/j/runs', {})).body
  await untilState(call, lost.id, ['dead_letter'])
  const told = await until(
    async () => linesOf(lost.id),
    (lines) => lines.length >= 2,
  )
  expect(told).toMatchObject([
    { level: INFO, job: 'j', attempt: 1, maxAttempts: 2, state: 'queued', errorCode: 'http_500' },
    { level: WARN, job: 'j', attempt: 2, state: 'dead_letter', error: 'the endpoint answered 500: "said"' },
  ])
  const fine = (await call('POST', '/v1/jobs/j/runs', {})).body
  await untilState(call, fine.id, ['completed'])
  await until(
    async () => linesOf(fine.id),
    (lines) => lines.length === 1 && lines[0]!.level === DEBUG && lines[0]!.state === 'completed',
  )
  // Nothing is told twice, also where a result is refused after the call.
  await call('POST', '/v1/jobs', { ...job, slug: 'k', endpoint_url: url, result_schema: { type: 'object' } })
  const refused = (await call('POST', '/v1/jobs/k/runs', { max_attempts: 1 })).body
  await untilState(call, refused.id, ['dead_letter'])
  await until(
    async () => linesOf(refused.id),
    (lines) => lines.length === 1 && lines[0]!.errorCode === 'result_invalid',
  )
})

test("a worker's failure and an unreachable endpoint are logged like any other failure", async () => {
  const { call, linesOf } = await loggingNode()
  await call('POST', '/v1/jobs', { slug: 'w', execution: 'worker', max_attempts: 1 })
  const run = (await call('POST', '/v1/jobs/w/runs', {})).body
  const claimed = (await call('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 5 })).body.runs[0]
  const lease = { run_id: run.id, lease_token: claimed.lease_token }
  const error = '😀'.repeat(500)
  await call('POST', '/v1/workers/settle', { settlements: [{ ...lease, outcome: 'failed', error, error_code: 'e' }] })
  expect(linesOf(run.id)).toMatchObject([
    { level: WARN, state: 'dead_letter', errorCode: 'e', error: '😀'.repeat(150) },
  ])
  const endpoint_url = `http://127.0.0.1:${await closedPort()}/`
  await call('POST', '/v1/jobs', { slug: 'h', execution: 'http', max_attempts: 1, endpoint_url })
  const away = (await call('POST', '/v1/jobs/h/runs', {})).body
  await untilState(call, away.id, ['dead_letter'])
  await until(
    async () => linesOf(away.id),
    (lines) => lines.length === 1 && lines[0]!.errorCode === 'connect',
  )
})

test('an unknown setting is reported at startup, with the probable name and without its value', async () => {
  const { url } = await testDatabase()
  const env = { DATABASE_URL: url, PORT: '0', RUNYARD_DEMO: 'off', RUNYARD_EGRES: 'sesame', LOG_LEVEL: 'info' }
  const node = startProcess('src/main.ts', [], { env: { ...env, RUNYARD_API_KEY: KEY } })
  await node.line(/RUNYARD_EGRES is not a setting of Runyard and is ignored; did you mean RUNYARD_EGRESS\?/)
  await node.line(/Runyard is ready/)
  expect(node.output()).not.toContain('sesame')
})

test('a wait that times out is logged like a failed attempt', async () => {
  const { call, linesOf } = await loggingNode()
  await call('POST', '/v1/jobs', { slug: 'w', execution: 'worker' })
  const run = (await call('POST', '/v1/jobs/w/runs', {})).body
  const claimed = (await call('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 5 })).body.runs[0]
  const waiting = { event_key: 'never', timeout_secs: 1 }
  const asked = await call('POST', `/v1/runs/${run.id}/wait-for-event`, waiting, { key: claimed.run_token })
  expect(asked.status).toBeLessThan(300)
  await untilState(call, run.id, ['timed_out'])
  await until(
    async () => linesOf(run.id),
    (lines) => lines.length === 1 && lines[0]!.level === WARN && lines[0]!.errorCode === 'wait_timeout',
  )
})
