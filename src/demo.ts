// The demo of `npm start`: the example agent as a separate process, and one run for it. It is a client
// like any other: it knows the address, a key, and nothing else of this process.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Client, createClient } from '#sdk/client.ts'
import { registerJobs } from '#sdk/job/register-jobs.ts'
import { atMost, sleep } from '#sdk/sleep.ts'

type FolderAudit = ReturnType<typeof import('../examples/folder-audit/audit.ts').folderAudit>

export type DemoLog = { info: (line: string) => void; warn: (line: string) => void }

export type DemoOptions = {
  address: string
  key: string
  log: DemoLog
  /** The environment with the agent's own settings, such as those of its model; nothing else is passed on. */
  env?: NodeJS.ProcessEnv
}

export type Demo = { runId: string; stop: () => Promise<void> }

const AGENT = join(import.meta.dirname, '../examples/folder-audit/agent.ts')
const QUEUE = 'demo'
const FIRST_RUN = 'demo-first-run'

/** Slow enough to be watched. */
const PACE_MS = 400
/** Long enough to object to the report, short enough for someone just watching. */
const ASK_SECS = 20

export async function startDemo({ address, key, log, env = {} }: DemoOptions): Promise<Demo> {
  const client = createClient({ baseUrl: address, credential: key })
  // Loaded for the demo alone. A job that exists was perhaps changed by its owner, and is left alone.
  const { folderAudit } = await import('../examples/folder-audit/audit.ts')
  const job = folderAudit({ root: '.' })
  await registerJobs(client, [job], { registration: 'missing', log })
  const runId = await ensureRun(client, job)
  const agent = keepAgent({ log, env: agentEnv(env, { address, key }) })
  return { runId, stop: agent.stop }
}

/** Once per data folder: a restart finds the run of the first start, even when its idempotency key is forgotten. */
async function ensureRun(client: Client, job: FolderAudit): Promise<string> {
  const { data } = await client.listRuns({ job: job.name, tag: [`demo:${FIRST_RUN}`], limit: 1 })
  if (data[0]) return data[0].id
  const run = await job.trigger(
    client,
    { folder: 'src', pace_ms: PACE_MS, ask_secs: ASK_SECS },
    { tags: { demo: FIRST_RUN }, idempotencyKey: FIRST_RUN },
  )
  return run.id
}

// What a program needs to run at all, and what the agent itself reads. No secret of this process is included.
const ENV_PASSED = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'TZ', 'NODE_EXTRA_CA_CERTS', 'RUNYARD_LEASE_SECS'] as const
const ENV_PREFIXES = ['OPENAI_', 'AUDIT_']

function agentEnv(env: NodeJS.ProcessEnv, { address, key }: Pick<DemoOptions, 'address' | 'key'>): NodeJS.ProcessEnv {
  const isPassed = (name: string) =>
    ENV_PASSED.some((passed) => passed === name) || ENV_PREFIXES.some((prefix) => name.startsWith(prefix))
  return {
    ...Object.fromEntries(Object.entries(env).filter(([name]) => isPassed(name))),
    RUNYARD_URL: address,
    RUNYARD_API_KEY: key,
    RUNYARD_QUEUE: QUEUE,
  }
}

const RESTART_MS = 250
const RESTART_MS_MAX = 10_000
/** An agent that lived this long died of something new. */
const HEALTHY_MS = 10_000
const STOP_MS_MAX = 5_000

/** Keeps one agent running: if it is killed, the next one continues its work. */
function keepAgent({ log, env }: { log: DemoLog; env: NodeJS.ProcessEnv }): { stop: () => Promise<void> } {
  const stopping = new AbortController()
  let agent: ChildProcess | undefined

  async function keep(): Promise<void> {
    let failures = 0
    while (!stopping.signal.aborted) {
      const beganMs = performance.now()
      agent = startAgent(log, env)
      const [code, signal] = await once(agent, 'exit').catch((error: unknown) => [String(error), null])
      if (stopping.signal.aborted) return
      failures = performance.now() - beganMs > HEALTHY_MS ? 0 : failures + 1
      const pauseMs = Math.min(RESTART_MS_MAX, RESTART_MS * 2 ** failures)
      log.warn(`the example agent ended (${signal ?? code}); restarting it in ${pauseMs} ms`)
      await sleep(pauseMs, stopping.signal).catch(() => {})
    }
  }

  const kept = keep()
  return {
    async stop() {
      stopping.abort()
      agent?.kill('SIGTERM')
      await atMost(STOP_MS_MAX, kept)
      if (agent?.exitCode === null && agent.signalCode === null) agent.kill('SIGKILL')
      await kept
    },
  }
}

function startAgent(log: DemoLog, env: NodeJS.ProcessEnv): ChildProcess {
  // The channel carries nothing: its closing tells the agent that this process is gone.
  const agent = spawn(process.execPath, [AGENT], { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  createInterface(agent.stdout!).on('line', (line) => log.info(line))
  createInterface(agent.stderr!).on('line', (line) => log.warn(line))
  return agent
}
