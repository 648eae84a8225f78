import { join } from 'node:path'
import { expect, test } from 'vitest'
import { testDatabase } from '../support/db.ts'
import { callerOf, KEY, until } from '../support/http-yard.ts'
import { closed, closedPort, tcpServer } from '../support/local-servers.ts'
import { startNode } from '../support/processes.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')

async function startTraced(endpoint: string, more: Record<string, string> = {}) {
  const { url } = await testDatabase()
  const node = startNode(MAIN, [], {
    env: {
      PORT: '0',
      DATABASE_URL: url,
      RUNYARD_API_KEY: KEY,
      RUNYARD_DEMO: 'off',
      RUNYARD_DRAIN_MS: '0',
      RUNYARD_SHUTDOWN_GRACE_MS: '500',
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_BSP_SCHEDULE_DELAY: '100',
      ...more,
    },
  })
  return { node, call: callerOf((await node.line(/is ready at (\S+)/, 60_000))[1]!) }
}

type Traced = Awaited<ReturnType<typeof startTraced>>

async function slowest({ call }: Traced): Promise<number> {
  let slowestMs = 0
  for (let calls = 0; calls < 50; calls++) {
    const beganMs = performance.now()
    expect((await call('GET', '/v1/jobs')).status).toBe(200)
    slowestMs = Math.max(slowestMs, performance.now() - beganMs)
  }
  return slowestMs
}

async function end({ node }: Traced): Promise<{ code: number | NodeJS.Signals; ms: number }> {
  const beganMs = performance.now()
  await node.kill('SIGTERM')
  return { code: await node.ended, ms: performance.now() - beganMs }
}

test('a trace collector that accepts connections and never responds slows no call, and the node stops cleanly and in time', {
  timeout: 90_000,
}, async () => {
  const collector = await tcpServer(() => {})
  const traced = await startTraced(collector.url)
  await traced.call('GET', '/v1/jobs')
  await until(
    async () => collector.connections.length,
    (n) => n > 0,
  )
  expect(await slowest(traced)).toBeLessThan(1_000)
  const { code, ms } = await end(traced)
  expect(code).toBe(0)
  expect(ms).toBeLessThan(7_000)
  expect(traced.node.output()).toMatch(/the last traces were not exported/)
})

test('an export of traces that is not answered is abandoned at its timeout', { timeout: 90_000 }, async () => {
  const collector = await tcpServer(() => {})
  const traced = await startTraced(collector.url, { OTEL_EXPORTER_OTLP_TIMEOUT: '500' })
  await traced.call('GET', '/v1/jobs')
  await until(
    async () => collector.connections.length,
    (n) => n > 0,
  )
  const beganMs = performance.now()
  await closed(collector.connections[0]!)
  expect(performance.now() - beganMs).toBeLessThan(5_000)
})

test('an unreachable trace collector does not make the shutdown of a node a failure', { timeout: 90_000 }, async () => {
  const traced = await startTraced(`http://127.0.0.1:${await closedPort()}`)
  expect(await slowest(traced)).toBeLessThan(1_000)
  const { code, ms } = await end(traced)
  expect(code).toBe(0)
  expect(ms).toBeLessThan(7_000)
  expect(traced.node.output()).toMatch(/the last traces were not exported/)
})
