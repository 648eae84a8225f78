// The governance bench: what stands before every call of an agent, against an empty handler of the same Fastify.
import { fileURLToPath } from 'node:url'
import { runScript, startServer } from '../lib/child.ts'
import type { Load } from '../lib/load.ts'
import { median, round, spread } from '../lib/numbers.ts'
import { report, say } from '../lib/report.ts'
import { BENCH_KEY, startRunyard } from '../lib/runyard.ts'
import { onStage } from '../lib/stage.ts'

const ROUNDS = 3
const CONNECTIONS = 64
const TIMES = { warmUpMs: 400, measureMs: 1_500 }
const TURN_MS_MAX = 15_000
const TARGET = 0.5
const P99_MS_MAX = 25
const BODIES = 1_000

const path = (name: string) => fileURLToPath(new URL(`../lib/${name}.ts`, import.meta.url))
const bodies = (of: (nth: number) => object) => Array.from({ length: BODIES }, (_, nth) => of(nth))

// One agent makes all calls, which is the worst: its decisions are made one after the other. A thousand keys are locked, and found locked.
const CASES = [
  {
    what: 'authorize',
    pathOf: '/v1/agents/bot/authorize',
    bodies: bodies((nth) => ({ tool: `tool-${nth % 20}`, args: { nth }, cost_microusd: 10 })),
  },
  {
    what: 'check-lock',
    pathOf: '/onceonly/v1/check-lock',
    bodies: bodies((nth) => ({ key: `order-${nth}`, ttl: 60 })),
  },
]

export const governanceBench = (): Promise<void> =>
  onStage(async (stage) => {
    const ours = await startRunyard(await stage.freshDatabase())
    stage.atEnd(ours.stop)
    const empty = await startServer(process.execPath, [path('empty')], { ready: /ready at (http:\S+)/ })
    stage.atEnd(empty.stop)
    for (const { what, pathOf, bodies } of CASES) {
      const turn = (url: string, more: object = {}) =>
        runScript<Load>(
          path('load'),
          { url, key: BENCH_KEY, path: pathOf, bodies, connections: CONNECTIONS, ...TIMES, ...more },
          TURN_MS_MAX,
        )
      const [mine, theirs]: [Load[], Load[]] = [[], []]
      for (let nth = 1; nth <= ROUNDS; nth++) {
        mine.push(await turn(ours.address))
        theirs.push(await turn(empty.address))
        say(`  round ${nth}: ours ${JSON.stringify(mine.at(-1))}, peer ${JSON.stringify(theirs.at(-1))}`)
      }
      const rateOf = (loads: readonly Load[]) => loads.map((it) => it.perSecond)
      const [rate, peer] = [round(median(rateOf(mine)), 0), round(median(rateOf(theirs)), 0)]
      const half = await turn(ours.address, { perSecond: rate / 2 })
      const ratio = round(rate / peer, 2)
      report(
        {
          bench: `governance ${what}`,
          against: 'empty handler',
          ours: rate,
          peer,
          ratio,
          unit: 'calls/s',
          target: TARGET,
          connections: CONNECTIONS,
          rounds: ROUNDS,
          details: {
            spread: { ours: spread(rateOf(mine)), peer: spread(rateOf(theirs)) },
            atHalf: half,
            p99MsMax: P99_MS_MAX,
          },
        },
        `${what}: ${rate} calls/s, an empty handler ${peer}: ${ratio} of it, wanted ${TARGET}; p99 ${half.p99} ms at half that rate, wanted ${P99_MS_MAX}`,
      )
    }
  })
