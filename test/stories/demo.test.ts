// The demonstration as a newcomer meets it: a real node, the example agent as a process of its own, and kill -9.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { startDemo } from '#demo.ts'
import { type Client, createClient } from '#sdk/client.ts'
import { httpYard, KEY, until } from '../support/http-yard.ts'
import { httpServer } from '../support/local-servers.ts'
import { startNode as startProcess } from '../support/processes.ts'

const AGENT = join(import.meta.dirname, '../../examples/folder-audit/agent.ts')
const STEPS = [
  'plan',
  'list',
  'read',
  'spawn',
  'lines',
  'largest',
  'imports',
  'duplicates',
  'headers',
  'todos',
  'tests',
]
const LEASE_SECS = 5
/** The reaper looks every second. */
const RESUMED_MS_MAX = (LEASE_SECS + 2) * 1000

async function yard(): Promise<{ client: Client; address: string }> {
  const { address } = await httpYard()
  return { client: createClient({ baseUrl: address, credential: KEY }), address }
}

/** The demonstration, which ends with the test; what it logs goes to `lines`. */
async function demo(address: string, env: NodeJS.ProcessEnv = {}) {
  const lines: string[] = []
  const log = (line: string) => void lines.push(line)
  const started = await startDemo({ address, key: KEY, log: { info: log, warn: log }, env })
  onTestFinished(() => started.stop())
  return { ...started, lines }
}

/** A folder with two sub-folders, small enough to be audited in no time. */
async function smallRoot(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'runyard-demo-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  for (const room of ['a', 'b']) {
    await mkdir(join(root, 'src', room), { recursive: true })
    await writeFile(join(root, 'src', room, 'one.ts'), `// One of ${room}.\nexport const ${room} = 1\n`)
  }
  return root
}

type AgentEnv = { address: string; root: string; concurrency?: number; model?: string }
function startAgent({ address, root, concurrency = 4, model = '' }: AgentEnv) {
  return startProcess(AGENT, [], {
    env: {
      RUNYARD_URL: address,
      RUNYARD_API_KEY: KEY,
      RUNYARD_LEASE_SECS: String(LEASE_SECS),
      AUDIT_ROOT: root,
      AUDIT_CONCURRENCY: String(concurrency),
      OPENAI_BASE_URL: model,
      OPENAI_MODEL: 'a-model',
    },
  })
}
const ready = (agent: ReturnType<typeof startAgent>) => agent.line(/waiting for runs/)

const ended = (client: Client, runId: string, withinMs = 60_000) =>
  until(
    () => client.getRun({ run_id: runId }),
    (run) => run.finished_at !== null,
    withinMs,
  )
const stepsDone = async (client: Client, runId: string) =>
  (await client.listToolCalls({ run_id: runId, limit: 500 })).data.map(({ step, attempt }) => ({ step, attempt }))

/** The job without the demonstration's own run. */
const makeJob = (client: Client) =>
  client.createJob({
    slug: 'folder-audit',
    execution: 'worker',
    queue: 'demo',
    retry_strategy: 'fixed',
    retry_initial_delay_secs: 0,
  })

test('the demo audits the sources once per data folder, and leaves a report', {
  timeout: 90_000,
}, async () => {
  const { client, address } = await yard()
  const first = await demo(address)
  // It asks before it writes its report, and rests until somebody answers.
  const { data: asked } = await until(
    () => client.listInputs({ status: 'pending' }),
    ({ data }) => data.length > 0,
    60_000,
  )
  expect(asked).toMatchObject([
    { run_id: first.runId, kind: 'approval', prompt: expect.stringMatching(/^Shall I write/) },
  ])
  await client.answerInput({ input_request_id: asked[0]!.id, approved: true })
  const run = await ended(client, first.runId)
  expect(run).toMatchObject({ status: 'completed', attempt: 1, result: { folder: 'src', report: 'report' } })

  const { data: outputs } = await client.listOutputs({ run_id: run.id })
  expect(outputs.map((output) => output.output_key)).toEqual(['report'])
  expect(outputs[0]?.value).toMatch(/^# Audit of `src`[\s\S]*## Findings[\s\S]*## Imports/)
  expect((await stepsDone(client, run.id)).map(({ step }) => step)).toEqual([...STEPS, 'collect', 'ask', 'report'])

  const { data: children } = await client.listChildren({ run_id: run.id })
  expect(children.length).toBeGreaterThan(5)
  for (const child of children) {
    expect(child).toMatchObject({ status: 'completed', correlation_id: run.correlation_id, triggered_by: 'spawn' })
  }
  const types = new Set<string>()
  for await (const event of client.follow(run.id)) types.add(event.type)
  for (const type of ['progress', 'log', 'state.set', 'usage.recorded', 'stream.chunk', 'output.written']) {
    expect(types).toContain(type)
  }

  await first.stop()
  const again = await demo(address)
  expect(again.runId).toBe(first.runId)
  expect((await client.listRuns({ job: 'folder-audit', triggered_by: 'manual' })).data).toHaveLength(1)
})

test("an agent that is killed is restarted, with nothing of its parent's environment but what it needs", async () => {
  const { address } = await yard()
  const secret = { RUNYARD_API_KEY: 'another', DATABASE_URL: 'postgres://secret', AUDIT_ROOT: await smallRoot() }
  const { lines, stop } = await demo(address, secret)
  const pids = () => {
    const { stdout } = spawnSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' })
    return stdout.split('\n').flatMap((line) => (line.includes(AGENT) ? [Number.parseInt(line, 10)] : []))
  }
  const starts = () => lines.filter((line) => line.includes('waiting for runs')).length
  await vi.waitFor(() => expect(starts()).toBe(1), { timeout: 10_000 })
  const [agent] = pids()
  const seen = await readFile(`/proc/${agent}/environ`, 'utf8')
  expect(seen).toContain(`RUNYARD_API_KEY=${KEY}`)
  expect(seen).not.toContain('postgres://secret')
  process.kill(agent!, 'SIGKILL')
  await vi.waitFor(() => expect(starts()).toBe(2), { timeout: 10_000 })
  await stop()
  expect(pids()).toEqual([])
})

test('an audit whose agent is killed continues in another process, and skips what is done', {
  timeout: 90_000,
}, async () => {
  const { client, address } = await yard()
  const root = await smallRoot()
  await makeJob(client)
  const first = startAgent({ address, root })
  await ready(first)
  const { id } = await client.triggerRun({ job: 'folder-audit', payload: { folder: 'src', pace_ms: 250 } })
  await until(
    () => client.listState({ run_id: id }),
    ({ data }) => data.filter(({ key }) => key.startsWith('step:')).length >= 6,
  )
  const second = startAgent({ address, root })
  await ready(second)
  await first.kill('SIGKILL')
  const killedAtMs = performance.now()
  await until(
    () => client.getRun({ run_id: id }),
    (run) => run.attempt === 2 && run.status === 'executing',
  )
  expect(performance.now() - killedAtMs).toBeLessThan(RESUMED_MS_MAX)
  expect(await ended(client, id)).toMatchObject({ status: 'completed', attempt: 2 })

  const events = []
  for await (const event of client.follow(id, { deltas: false })) events.push(event)
  const resumed = events.find((event) => event.type === 'audit.resumed')!
  const { skipped } = resumed.data as { skipped: string[] }
  expect(skipped.length).toBeGreaterThanOrEqual(6)
  expect(resumed.actor_id).toContain(String(second.pid))
  const done = await stepsDone(client, id)
  // Each step has ended once; only the one that was under way may have been recorded and not yet kept.
  const secondSteps = done.filter(({ attempt }) => attempt === 2).map(({ step }) => step)
  expect(secondSteps.filter((step) => skipped.includes(step!))).toEqual([])
  expect(new Set(done.map(({ step }) => step))).toEqual(new Set([...STEPS, 'collect', 'report']))
  expect(secondSteps).toHaveLength(STEPS.length + 2 - skipped.length)
  const { data: children } = await client.listChildren({ run_id: id })
  expect(children.map((child) => child.status)).toEqual(['completed', 'completed'])
  await second.kill('SIGTERM')
  expect(await second.ended).toBe(0)
})

test('an agent with a single slot makes room for the parts that it waits for', { timeout: 60_000 }, async () => {
  const { client, address } = await yard()
  const root = await smallRoot()
  await makeJob(client)
  const agent = startAgent({ address, root, concurrency: 1 })
  await ready(agent)
  const { id } = await client.triggerRun({ job: 'folder-audit', payload: { folder: 'src' } })
  expect(await ended(client, id)).toMatchObject({ status: 'completed', attempt: 1 })
})

test('a folder that does not exist fails its run permanently', async () => {
  const { client, address } = await yard()
  const root = await smallRoot()
  await makeJob(client)
  await ready(startAgent({ address, root }))
  const { id } = await client.triggerRun({ job: 'folder-audit', payload: { folder: '../..' } })
  expect(await ended(client, id)).toMatchObject({ status: 'failed', attempt: 1, error_code: 'folder_not_found' })
})

test('a canceled audit cancels its parts', async () => {
  const { client, address } = await yard()
  const root = await smallRoot()
  await makeJob(client)
  await ready(startAgent({ address, root }))
  const { id } = await client.triggerRun({ job: 'folder-audit', payload: { folder: 'src', pace_ms: 2_000 } })
  await until(
    () => client.listChildren({ run_id: id }),
    ({ data }) => data.length === 2,
    20_000,
  )
  await client.cancelRun({ run_id: id })
  const { data: children } = await client.listChildren({ run_id: id })
  expect(children.map((child) => child.status)).toEqual(['canceled', 'canceled'])
})

test('a configured model is asked, and its answer is streamed, charged and reported', async () => {
  const { client, address } = await yard()
  const root = await smallRoot()
  await makeJob(client)
  let answers = true
  const { url } = await httpServer((_, response) => {
    if (!answers) return void response.writeHead(500).end()
    const chunk = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
    const words = (content: string) => chunk({ choices: [{ delta: { content } }] })
    const usage = chunk({ choices: [], usage: { prompt_tokens: 70, completion_tokens: 3 } })
    response.end(`${words('Write ')}${words('tests.')}${usage}data: [DONE]\n\n`)
  })
  await ready(startAgent({ address, root, model: `${url}v1` }))
  const audit = async () => {
    const { id } = await client.triggerRun({ job: 'folder-audit', payload: { folder: 'src' } })
    expect(await ended(client, id)).toMatchObject({ status: 'completed', attempt: 1 })
    const { data: usage } = await client.listUsage({ run_id: id, limit: 500 })
    const { data: outputs } = await client.listOutputs({ run_id: id })
    const said: string[] = []
    const warned: (string | null)[] = []
    for await (const { type, data, level, message } of client.follow(id)) {
      const { chunk, stream_id } = (data ?? {}) as { chunk?: string; stream_id?: string }
      if (type === 'stream.chunk' && stream_id === 'model') said.push(chunk!)
      if (level === 'warn') warned.push(message)
    }
    const booked = usage.filter((it) => it.provider !== 'local')
    return { booked, report: outputs[0]?.value as string, said: said.join(''), warned }
  }
  const asked = await audit()
  expect(asked.booked).toMatchObject([{ provider: '127.0.0.1', model: 'a-model', prompt_tokens: 70, total_tokens: 73 }])
  expect(asked.report).toContain('## What a-model says\n\nWrite tests.')
  expect(asked).toMatchObject({ said: 'Write tests.', warned: [] })

  answers = false
  const refused = await audit()
  expect(refused.booked).toEqual([])
  expect(refused.report).not.toContain('a-model')
  expect(refused.warned).toEqual(['The model a-model could not be asked: it answered 500'])
})

test('an agent ends with the process that started it', async () => {
  const { address } = await yard()
  const agent = spawn(process.execPath, [AGENT], {
    env: { PATH: process.env.PATH, RUNYARD_URL: address, RUNYARD_API_KEY: KEY },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  onTestFinished(() => void agent.kill('SIGKILL'))
  await once(agent.stdout!, 'data')
  agent.disconnect()
  expect(await once(agent, 'exit')).toEqual([0, null])
})

test('an agent with missing settings says what it needs', async () => {
  const helped = startProcess(AGENT, ['--help'])
  await helped.line(/RUNYARD_API_KEY[\s\S]*AUDIT_ROOT/)
  expect(await helped.ended).toBe(0)
  const keyless = startProcess(AGENT, [], { env: { RUNYARD_API_KEY: '' } })
  await keyless.line(/RUNYARD_API_KEY is not set/)
  expect(await keyless.ended).toBe(1)
  const refused = startProcess(AGENT, [], { env: { RUNYARD_API_KEY: 'no', RUNYARD_URL: (await yard()).address } })
  await refused.line(/The API key is unknown/)
  expect(await refused.ended).toBe(1)
})
