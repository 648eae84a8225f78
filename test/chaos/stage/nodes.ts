// The nodes of the stage, each a process as in production, and the balancer in front of them.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort, type Program, startProgram } from './programs.ts'

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url))
const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
export const KEY = 'key-of-the-chaos-harness'
const READY_MS_MAX = 240_000

export type StageNode = {
  name: string
  address: string
  start(): Promise<void>
  kill(): Promise<void>
  signal(name: NodeJS.Signals): void
  isRunning(): boolean
  /** A start that found no database ends with 1, and is tried again by whoever supervises it. */
  endedBy(): number | NodeJS.Signals | undefined
  stop(): Promise<void>
}

/** `env`: what is only this node's. */
type Settings = { databaseUrl: string; redisUrl: string; home: string; env?: NodeJS.ProcessEnv }

export async function makeNode(name: string, { databaseUrl, redisUrl, home, env }: Settings): Promise<StageNode> {
  const port = await freePort()
  const address = `http://127.0.0.1:${port}`
  const folder = join(home, name)
  await mkdir(folder, { recursive: true })
  let program: Program | undefined
  return {
    name,
    address,
    async start() {
      program = startProgram(process.execPath, [MAIN], {
        logFile: join(folder, 'log'),
        cwd: ROOT,
        env: {
          PORT: String(port),
          DATABASE_URL: databaseUrl,
          REDIS_URL: redisUrl,
          RUNYARD_API_KEY: KEY,
          RUNYARD_NODE: name,
          RUNYARD_DATA_DIR: folder,
          RUNYARD_DEMO: 'off',
          RUNYARD_EGRESS: 'any',
          RUNYARD_DRAIN_MS: '0',
          RUNYARD_SHUTDOWN_GRACE_MS: '3000',
          LOG_LEVEL: 'info',
          ...env,
        },
      })
    },
    kill: async () => program?.end('SIGKILL'),
    signal: (signal) => program?.signal(signal),
    isRunning: () => program?.isRunning() ?? false,
    endedBy: () => program?.endedBy(),
    async stop() {
      program?.signal('SIGCONT')
      await program?.end('SIGTERM')
    },
  }
}

/** Until it answers that it is ready. */
export async function untilReady(address: string): Promise<void> {
  const endMs = performance.now() + READY_MS_MAX
  for (;;) {
    const reply = await fetch(`${address}/health/ready`, { signal: AbortSignal.timeout(5_000) }).catch(() => undefined)
    if (reply?.status === 200) return
    if (performance.now() > endMs) throw new Error(`${address} is not ready: ${await reply?.text().catch(() => '')}`)
    await sleep(100)
  }
}

export type Balancer = { address: string; start(): Promise<void>; kill(): Promise<void>; stop(): Promise<void> }

/** HAProxy, which takes nodes out that are not ready and ends what it had sent to them. */
export async function makeBalancer(nodes: readonly StageNode[], home: string): Promise<Balancer> {
  const port = await freePort()
  const file = join(home, 'haproxy.cfg')
  const servers = nodes.map(({ name, address }) => `  server ${name} ${address.slice('http://'.length)}`)
  const config = [
    'global',
    '  maxconn 4000',
    'defaults',
    '  mode http',
    '  timeout connect 2s',
    '  timeout client 120s',
    '  timeout server 120s',
    '  timeout check 3s',
    'frontend clients',
    `  bind 127.0.0.1:${port}`,
    '  default_backend nodes',
    'backend nodes',
    '  balance leastconn',
    '  option httpchk GET /health/ready',
    '  default-server check inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions',
    ...servers,
    '',
  ]
  await writeFile(file, config.join('\n'))
  let program: Program | undefined
  return {
    address: `http://127.0.0.1:${port}`,
    async start() {
      program = startProgram('haproxy', ['-db', '-f', file], { logFile: join(home, 'haproxy.log') })
    },
    kill: async () => program?.end('SIGKILL'),
    stop: async () => program?.end('SIGTERM'),
  }
}
