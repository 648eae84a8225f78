// The live bench: how soon a committed event is with its subscribers, and what an idle stream costs.
import { fileURLToPath } from 'node:url'
import { Client } from 'undici'
import { poster } from '../lib/call.ts'
import { runScript, type Server } from '../lib/child.ts'
import { round } from '../lib/numbers.ts'
import { report } from '../lib/report.ts'
import { BENCH_KEY, startRunyard } from '../lib/runyard.ts'
import { onStage, type Stage } from '../lib/stage.ts'
import type { Idle } from './idle.ts'
import type { Delivered } from './subscribers.ts'

const SUBSCRIBERS = 1_000
const IDLE_STREAMS = 10_000
const P99_TARGET_MS = 50
const STREAM_TARGET_KB = 25
const TURN_MS_MAX = 45_000

const path = (name: string) => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))

export const liveBench = (): Promise<void> =>
  onStage(async (stage) => {
    const server = await startOurs(stage)
    const input = { url: server.address, key: BENCH_KEY, subscribers: SUBSCRIBERS }
    const each = { ...input, runs: SUBSCRIBERS, events: 2_000, everyMs: 5 }
    tellDelivered('each of a run of its own', each, await runScript(path('subscribers'), each, TURN_MS_MAX))
    const all = { ...input, runs: 1, events: 100, everyMs: 100 }
    tellDelivered('all of one run', all, await runScript(path('subscribers'), all, TURN_MS_MAX))
    await server.stop()
    await measureIdle(await startOurs(stage))
  })

async function startOurs(stage: Stage): Promise<Server> {
  const server = await startRunyard(await stage.freshDatabase())
  stage.atEnd(server.stop)
  const client = new Client(server.address)
  await poster(client, BENCH_KEY)('/v1/jobs', { slug: 'bench', execution: 'worker' })
  await client.close()
  return server
}

function tellDelivered(who: string, entry: { everyMs: number }, { deliveries, latency }: Delivered): void {
  report(
    {
      bench: 'live',
      who,
      ours: latency.p99,
      peer: null,
      ratio: null,
      unit: 'ms, p99',
      target: P99_TARGET_MS,
      subscribers: SUBSCRIBERS,
      deliveries,
      eventsPerSecond: 1_000 / entry.everyMs,
      details: latency,
    },
    `commit to ${SUBSCRIBERS} subscribers, ${who}: p50 ${latency.p50} ms, p99 ${latency.p99} ms, wanted ${P99_TARGET_MS}`,
  )
}

async function measureIdle(server: Server): Promise<void> {
  const { bytesBefore, bytesAfter } = await runScript<Idle>(
    path('idle'),
    { url: server.address, key: BENCH_KEY, serverPid: server.pid, streams: IDLE_STREAMS },
    TURN_MS_MAX,
  )
  const kilobytes = round((bytesAfter - bytesBefore) / IDLE_STREAMS / 1000, 1)
  report(
    {
      bench: 'live memory',
      ours: kilobytes,
      peer: null,
      ratio: null,
      unit: 'kB per idle stream',
      target: STREAM_TARGET_KB,
      streams: IDLE_STREAMS,
      details: { bytesBefore, bytesAfter },
    },
    `${IDLE_STREAMS} idle streams: ${kilobytes} kB each, wanted ${STREAM_TARGET_KB}`,
  )
}
