// The reads bench: lists by each filter, and single runs, in a past of some size.
import { fileURLToPath } from 'node:url'
import { Client } from 'undici'
import { poster } from '../lib/call.ts'
import { runScript } from '../lib/child.ts'
import { report, say } from '../lib/report.ts'
import { BENCH_KEY, startRunyard } from '../lib/runyard.ts'
import { onStage } from '../lib/stage.ts'
import type { Answers } from './ask.ts'
import { EVENTS, JOBS, makePast, RUNS, SPAN_MS } from './past.ts'

const SAMPLES = 150
const WARM_UP = 10
const P99_TARGET_MS = 50
const TURN_MS_MAX = 300_000

export const readsBench = (): Promise<void> =>
  onStage(async (stage) => {
    const url = await stage.freshDatabase()
    const server = await startRunyard(url)
    stage.atEnd(server.stop)
    const client = new Client(server.address)
    const post = poster(client, BENCH_KEY)
    for (let nth = 0; nth < JOBS; nth++) await post('/v1/jobs', { slug: `bench-${nth}`, execution: 'worker' })
    await client.close()
    const beginMs = Date.now() - SPAN_MS
    const began = performance.now()
    await makePast(url, beginMs)
    say(`  ${RUNS} runs and ${EVENTS} events are there after ${((performance.now() - began) / 1000).toFixed(0)} s`)
    const entry = { url: server.address, key: BENCH_KEY, beginMs, samples: SAMPLES, warmUp: WARM_UP }
    tell(await runScript<Answers>(fileURLToPath(new URL('./ask.ts', import.meta.url)), entry, TURN_MS_MAX))
  })

function tell(answers: Answers): void {
  for (const what of ['runs', 'events', 'sums'] as const) {
    const details = answers[what]
    for (const [name, { p50, p99 }] of Object.entries(details)) say(`  ${what}, ${name}: p50 ${p50} ms, p99 ${p99} ms`)
    const [slowest, { p99 }] = Object.entries(details).reduce((a, b) => (b[1].p99 > a[1].p99 ? b : a))
    report(
      {
        bench: 'reads',
        what,
        ours: p99,
        peer: null,
        ratio: null,
        unit: 'ms, p99 of the slowest question',
        target: P99_TARGET_MS,
        slowest,
        runs: RUNS,
        events: EVENTS,
        samples: SAMPLES,
        details,
      },
      `${what} among ${RUNS} runs and ${EVENTS} events: the slowest question is "${slowest}", p99 ${p99} ms, wanted ${P99_TARGET_MS}`,
    )
  }
}
