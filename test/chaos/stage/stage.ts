// Everything that is attacked: two PostgreSQL servers, Redis, three nodes and a balancer.
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Balancer, makeBalancer, makeNode, type StageNode, untilReady } from './nodes.ts'
import { makePair, type Pair } from './pair.ts'
import { freePort, type Program, startProgram } from './programs.ts'

export type Redis = { url: string; start(): Promise<void>; kill(): Promise<void> }
export type Stage = {
  pair: Pair
  redis: Redis
  nodes: readonly StageNode[]
  balancer: Balancer
  /** By how many seconds the wall clock of the last node is off; undefined where that cannot be done. */
  clockFile: string | undefined
  stop(): Promise<void>
}

const NODES = ['node-1', 'node-2', 'node-3']
const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1'

export async function openStage(home: string, say: (line: string) => void): Promise<Stage> {
  const redis = await makeRedis(home)
  await redis.start()
  const pair = await makePair(home)
  say('a primary and its synchronous standby are up')
  const settings = { databaseUrl: pair.url, redisUrl: redis.url, home }
  const clockFile = existsSync(FAKETIME) ? join(home, 'clock') : undefined
  if (clockFile) await writeFile(clockFile, '+0')
  // The monotonic clock is nobody's to change, on a real machine as well.
  const clock = clockFile && {
    LD_PRELOAD: FAKETIME,
    FAKETIME_TIMESTAMP_FILE: clockFile,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  }
  const nodes = await Promise.all(
    NODES.map((name) => makeNode(name, { ...settings, ...(clock && name === NODES.at(-1) && { env: clock }) })),
  )
  const balancer = await makeBalancer(nodes, home)
  // The first one makes the schema.
  await nodes[0]!.start()
  await untilReady(nodes[0]!.address)
  for (const node of nodes.slice(1)) await node.start()
  await Promise.all(nodes.map((node) => untilReady(node.address)))
  await balancer.start()
  await untilReady(balancer.address)
  say('three nodes are ready behind a balancer')
  return {
    pair,
    redis,
    nodes,
    balancer,
    clockFile,
    async stop() {
      await balancer.stop()
      await Promise.all(nodes.map((node) => node.stop()))
      await pair.stop()
      await redis.kill()
    },
  }
}

async function makeRedis(home: string): Promise<Redis> {
  const port = await freePort()
  let program: Program | undefined
  return {
    url: `redis://127.0.0.1:${port}`,
    async start() {
      const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', home]
      program = startProgram('redis-server', args, { logFile: join(home, 'redis.log') })
      await sleep(0)
    },
    kill: async () => program?.end('SIGKILL'),
  }
}
