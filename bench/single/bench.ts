// The single bench: one run, one decision or one claim for each request, which is what most callers send, against an
// empty handler of the same Fastify.
import { fileURLToPath } from 'node:url'
import { Client } from 'undici'
import { poster } from '../lib/call.ts'
import { runScript, startServer } from '../lib/child.ts'
import type { Load } from '../lib/load.ts'
import { median, round, spread } from '../lib/numbers.ts'
import { report, say } from '../lib/report.ts'
import { BENCH_KEY, startRunyard } from '../lib/runyard.ts'
import { onStage } from '../lib/stage.ts'

const ROUNDS = 3
const TIMES = { warmUpMs: 400, measureMs: 1_500 }
const TURN_MS_MAX = 15_000
const BATCH = 500
/** More than can be claimed in all turns, so that the queue stays busy. */
const CLAIMABLE = 120_000
const P50_MS_MAX = 1

const path = (name: string) => fileURLToPath(new URL(`../lib/${name}.ts`, import.meta.url))
const bodies = (of: (nth: number) => object) => Array.from({ length: 1_000 }, (_, nth) => of(nth))

type Case = { what: string; path: string; bodies: object[]; connections: number[]; targets: Record<number, number> }

const CASES: Case[] = [
  {
    what: 'trigger',
    path: '/v1/jobs/bench/runs',
    bodies: bodies((nth) => ({ payload: { nth } })),
    connections: [1, 8, 64, 256],
    targets: { 64: 0.35 },
  },
  {
    what: 'authorize',
    path: '/v1/agents/bot/authorize',
    bodies: bodies((nth) => ({ tool: `tool-${nth % 20}`, args: { nth }, cost_microusd: 10 })),
    connections: [1, 8, 64],
    targets: { 64: 0.25 },
  },
  {
    what: 'claim',
    path: '/v1/workers/claim',
    bodies: bodies(() => ({ worker_id: 'bench', queues: ['busy'], lease_secs: 300 })),
    connections: [1, 8, 64],
    targets: {},
  },
]

export const singleBench = (): Promise<void> =>
  onStage(async (stage) => {
    const ours = await startRunyard(await stage.freshDatabase())
    stage.atEnd(ours.stop)
    const empty = await startServer(process.execPath, [path('empty')], { ready: /ready at (http:\S+)/ })
    stage.atEnd(empty.stop)
    await fill(ours.address)
    for (const one of CASES)
      for (const connections of one.connections) {
        const turn = (url: string) =>
          runScript<Load>(
            path('load'),
            { url, key: BENCH_KEY, path: one.path, bodies: one.bodies, connections, ...TIMES },
            TURN_MS_MAX,
          )
        const [mine, theirs]: [Load[], Load[]] = [[], []]
        for (let nth = 1; nth <= ROUNDS; nth++) {
          mine.push(await turn(ours.address))
          theirs.push(await turn(empty.address))
        }
        tell(one, connections, mine, theirs)
      }
  })

async function fill(address: string): Promise<void> {
  const client = new Client(address)
  const post = poster(client, BENCH_KEY)
  await post('/v1/jobs', { slug: 'bench', execution: 'worker' })
  await post('/v1/jobs', { slug: 'busy', execution: 'worker', queue: 'busy' })
  const items = Array.from({ length: BATCH }, (_, nth) => ({ payload: { nth } }))
  for (let done = 0; done < CLAIMABLE; done += BATCH) await post('/v1/jobs/busy/runs/batch', { items })
  await client.close()
  say(`  ${CLAIMABLE} runs are waiting to be claimed`)
}

function tell({ what, targets }: Case, connections: number, mine: readonly Load[], theirs: readonly Load[]): void {
  const medianOf = (loads: readonly Load[], of: keyof Load) => round(median(loads.map((it) => it[of])), 1)
  const [rate, peer] = [medianOf(mine, 'perSecond'), medianOf(theirs, 'perSecond')]
  const ratio = round(rate / peer, 2)
  const target = targets[connections]
  const times = { p50: medianOf(mine, 'p50'), p99: medianOf(mine, 'p99') }
  report(
    {
      bench: `single ${what}`,
      against: 'empty handler',
      ours: rate,
      peer,
      ratio,
      unit: 'calls/s',
      ...(target !== undefined && { target }),
      connections,
      rounds: ROUNDS,
      details: {
        ours: times,
        peer: { p50: medianOf(theirs, 'p50'), p99: medianOf(theirs, 'p99') },
        spread: spread(mine.map((it) => it.perSecond)),
        ...(what === 'trigger' && connections === 1 && { p50MsMax: P50_MS_MAX }),
      },
    },
    `${what}, ${connections} connections: ${rate}/s (p50 ${times.p50} ms, p99 ${times.p99} ms), an empty handler ${peer}: ${ratio} of it${target ? `, wanted ${target}` : ''}`,
  )
}
