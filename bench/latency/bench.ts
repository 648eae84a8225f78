// The latency bench: from a trigger to the start of its run, on a node with an empty database and over a backlog.
import { fileURLToPath } from 'node:url'
import { runScript } from '../lib/child.ts'
import { report, say } from '../lib/report.ts'
import { BENCH_KEY, startRunyard } from '../lib/runyard.ts'
import { onStage } from '../lib/stage.ts'
import { park } from './park.ts'
import type { Latency } from './samples.ts'

const SAMPLES = 300
const WARM_UP = 30
const PARKED = 1_000_000
const TURN_MS_MAX = 60_000

export const latencyBench = (): Promise<void> =>
  onStage(async (stage) => {
    const url = await stage.freshDatabase()
    const server = await startRunyard(url)
    stage.atEnd(server.stop)
    const measure = () =>
      runScript<Latency>(
        fileURLToPath(new URL('./samples.ts', import.meta.url)),
        { url: server.address, key: BENCH_KEY, samples: SAMPLES, warmUp: WARM_UP },
        TURN_MS_MAX,
      )
    tell(await measure(), 0, { p50: 5, p99: 25 })
    const began = performance.now()
    await park(url, PARKED)
    say(`  ${PARKED} runs are parked after ${((performance.now() - began) / 1000).toFixed(0)} s`)
    tell(await measure(), PARKED, { p99: 50 })
  })

function tell(latency: Latency, parked: number, targets: { p50?: number; p99: number }): void {
  for (const way of ['claim', 'dispatch'] as const) {
    const { p50, p99, max } = latency[way]
    report(
      {
        bench: 'latency',
        way,
        ours: p99,
        peer: null,
        ratio: null,
        unit: 'ms, p99',
        target: targets.p99,
        parked,
        samples: SAMPLES,
        details: { p50, p99, max, targets },
      },
      `trigger to ${way} over ${parked} parked runs: p50 ${p50} ms, p99 ${p99} ms, wanted ${targets.p99}`,
    )
  }
}
