// What deploy/ promises to those who copy it: metrics, settings and folders that exist, and files that their tools read.
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { SETTINGS } from '../src/config.ts'
import { testDatabase } from './support/db.ts'
import { callerOf, httpYard, openNode, until } from './support/http-yard.ts'

const read = (path: string) => readFileSync(path, 'utf8')
const DEPLOY = globSync('deploy/**/*', { withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))

/** Series that Prometheus itself makes. */
const OF_PROMETHEUS = new Set(['up'])

const expressions = (): string[] => {
  const { groups } = parse(read('deploy/prometheus/rules.yml'))
  const rules = groups.flatMap((group: { rules: { expr: string }[] }) => group.rules.map(({ expr }) => expr))
  const { panels } = JSON.parse(read('deploy/grafana/runyard.json'))
  const targets = panels.flatMap((panel: { targets: { expr: string }[] }) => panel.targets.map(({ expr }) => expr))
  return [...rules, ...targets]
}

const metricsIn = (expression: string): string[] =>
  [...expression.matchAll(/\b(?:runyard|process|nodejs)_[a-z0-9_]+\b|\bup\b(?=\{)/g)].map((found) => found[0])

test('every metric that the rules and the dashboard name is exported by a node, with its labels', async () => {
  const { url } = await testDatabase()
  const call = callerOf((await openNode(url, {}, { databaseFolder: import.meta.dirname })).address)
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  await call('POST', '/v1/jobs/j/runs', {})
  await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: ['default'] })
  const text = (await call('GET', '/metrics')).body as string
  const exported = new Set([...text.matchAll(/^([a-z_][a-z0-9_]*)(?:\{|\s)/gim)].map((found) => found[1]!))
  const all = expressions()
  expect(all.length).toBeGreaterThan(25)
  const named = new Set(all.flatMap(metricsIn))
  expect([...named].filter((name) => !exported.has(name) && !OF_PROMETHEUS.has(name))).toEqual([])
  expect([...exported].filter((name) => name.startsWith('runyard_database_disk'))).toHaveLength(2)
  const labelled = all.flatMap((expr) => [...expr.matchAll(/(runyard_[a-z0-9_]+)\{(\w+)/g)])
  const missing = labelled.filter(([, name, label]) => !new RegExp(`^${name}\\{[^}]*\\b${label}="`, 'm').test(text))
  expect(missing.map(([found]) => found)).toEqual([])
})

test('the whole installation is counted, by job for the largest ones, and each help text says of what it is', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'letters', execution: 'worker' })
  await call('POST', '/v1/jobs/letters/runs', {})
  await call('PUT', '/v1/agents/bot/policy', { policy: { approval_tools: ['grave'] } })
  await call('POST', '/v1/agents/bot/authorize', { tool: 'grave' })
  await call('POST', '/v1/agents/bot/authorize', { tool: 'light', cost_microusd: 2_500_000 })
  await call('POST', '/v1/webhooks', { url: 'http://127.0.0.1:1/', types: ['none.such'] })
  const text = (await call('GET', '/metrics')).body as string
  expect(text).toContain('runyard_job_runs{project="default",job="letters",state="queued"} 1')
  expect(text).toContain('runyard_input_requests_pending 1')
  expect(text).toContain('runyard_spend_today_usd 2.5')
  expect(text).toContain('runyard_webhooks{status="active"} 1')
  expect(text).toMatch(/^runyard_build_info\{version="\d+\.\d+\.\d+",node_version="v\d+/m)
  expect(Number(/^runyard_database_bytes (\S+)$/m.exec(text)?.[1])).toBeGreaterThan(1_000_000)
  const helps = [...text.matchAll(/^# HELP runyard_\w+ (.*)$/gm)].map((found) => found[1]!)
  expect(helps.filter((help) => !/\b(this node|this process|whole installation)\b/.test(help))).toEqual([])
})

test('attempts are counted by job: how long they waited and took, and how many are followed by another', async () => {
  const { call } = await httpYard()
  const job = {
    slug: 'flaky',
    execution: 'worker',
    retry_strategy: 'fixed',
    retry_initial_delay_secs: 0,
    max_attempts: 3,
  }
  await call('POST', '/v1/jobs', job)
  await call('POST', '/v1/jobs/flaky/runs', {})
  for (const outcome of ['failed', 'completed']) {
    const claimed = await until(
      () => call('POST', '/v1/workers/claim', { worker_id: 'w', queues: ['default'] }),
      (reply) => reply.body.runs.length === 1,
    )
    const [{ run, lease_token }] = claimed.body.runs
    const settlement = { run_id: run.id, lease_token, outcome, ...(outcome === 'failed' && { error: 'not yet' }) }
    await call('POST', '/v1/workers/settle', { settlements: [settlement] })
  }
  const text = (await call('GET', '/metrics')).body as string
  expect(text).toContain('runyard_job_wait_seconds_count{project="default",job="flaky"} 2')
  expect(text).toContain('runyard_job_attempt_seconds_bucket{project="default",job="flaky",le="+Inf"} 2')
  expect(text).toContain('runyard_job_retries_total{project="default",job="flaky"} 1')
})

test('connections, waits for them and statements are counted by pool', async () => {
  const { call } = await httpYard({ RUNYARD_API_CONNECTIONS: '2' })
  const claims = Array.from({ length: 20 }, () =>
    call('POST', '/v1/projects', { id: `p${Math.random()}`.replace('.', '') }),
  )
  expect((await Promise.all(claims)).map(({ status }) => status)).toEqual(claims.map(() => 201))
  const text = (await call('GET', '/metrics')).body as string
  const value = (series: string) =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${series} `))
        ?.split(' ')[1],
    )
  expect(value('runyard_database_connections_max{pool="api"}')).toBe(2)
  const open = ['busy', 'idle'].map((state) => value(`runyard_database_connections{pool="api",state="${state}"}`))
  expect(open[0]! + open[1]!).toBe(2)
  expect(value('runyard_database_wait_seconds_count{pool="api"}')).toBeGreaterThanOrEqual(20)
  expect(value('runyard_database_statement_seconds_count{pool="api"}')).toBeGreaterThan(40)
  expect(value('runyard_database_statement_seconds_count{pool="engine"}')).toBeGreaterThan(0)
  expect(value('runyard_database_waiting{pool="engine"}')).toBeGreaterThanOrEqual(0)
})

describe('files of deploy/', () => {
  test('name only settings and files that exist', () => {
    const settings = DEPLOY.flatMap((path) =>
      [...read(path).matchAll(/\bRUNYARD_[A-Z_]+[A-Z]\b/g)].map((found) => `${path}: ${found[0]}`),
    )
    expect(settings.length).toBeGreaterThan(10)
    expect(settings.filter((it) => !Object.hasOwn(SETTINGS, it.split(': ')[1]!))).toEqual([])
    const copied = [...read('deploy/Dockerfile').matchAll(/--from=build \/app\/(\S+)/g)].map((found) => found[1]!)
    expect(copied.filter((path) => path !== 'web/dist' && !existsSync(path))).toEqual([])
  })

  test('are compose files whose builds and mounts lead to files of the repository', () => {
    for (const path of ['deploy/compose/single.yml', 'deploy/compose/cluster.yml']) {
      const { services } = parse(read(path), { merge: true })
      for (const [name, service] of Object.entries<Record<string, never>>(services)) {
        const {
          build,
          image,
          volumes = [],
        } = service as { build?: Record<string, string>; image?: string; volumes?: string[] }
        expect(build ?? image, `${path} ${name}`).toBeDefined()
        if (build) expect(existsSync(join('deploy/compose', build.context!, build.dockerfile!)), name).toBe(true)
        for (const mount of volumes.filter((it) => it.startsWith('.')))
          expect(existsSync(join('deploy/compose', mount.split(':')[0]!)), `${path} ${mount}`).toBe(true)
      }
    }
  })

  const systemd = spawnSync('systemd-analyze', ['--version']).status === 0
  test('include a systemd unit that systemd accepts, and rates as safe', { skip: !systemd }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'unit-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const unit = join(folder, 'runyard.service')
    // Its program and its user are those of an installation; this machine has its own.
    const text = read('deploy/systemd/runyard.service')
    expect(text).toMatch(/^ExecStart=\/opt\/runyard\/node_modules\/node\/bin\/node .*src\/main\.ts$/m)
    const here = text.replace('/opt/runyard/node_modules/node/bin/node', process.execPath)
    writeFileSync(unit, here.replace(/^(User|Group)=.*$/gm, '$1=daemon'))
    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' })
    expect([verified.status, verified.stderr.split('\n').filter((line) => line.includes('runyard.service'))]).toEqual([
      0,
      [],
    ])
    const rated = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=20', unit], {
      encoding: 'utf8',
    })
    expect(rated.status, rated.stdout).toBe(0)
  })
})
