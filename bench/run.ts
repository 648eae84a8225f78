// npm run bench: all benches in turn, or those that are named. Every line on stdout is one result as JSON; what is
// for people goes to stderr.
import { costBench } from './cost/bench.ts'
import { governanceBench } from './governance/bench.ts'
import { ingestBench } from './ingest/bench.ts'
import { latencyBench } from './latency/bench.ts'
import { say } from './lib/report.ts'
import { liveBench } from './live/bench.ts'
import { queueBench } from './queue/bench.ts'
import { readsBench } from './reads/bench.ts'
import { schedulesBench } from './schedules/bench.ts'
import { singleBench } from './single/bench.ts'
import { webhooksBench } from './webhooks/bench.ts'

const BENCHES: Record<string, { what: string; bench: () => Promise<void> }> = {
  queue: { what: 'trigger, claim and settle no-op runs; graphile-worker, pg-boss and BullMQ', bench: queueBench },
  cost: { what: 'CPU and bytes of a run and an event at batches of 1, 32 and 500', bench: costBench },
  ingest: { what: 'events one by one and in batches; an empty Fastify handler and raw inserts', bench: ingestBench },
  governance: { what: 'decisions about calls of agents, and locks; an empty Fastify handler', bench: governanceBench },
  single: { what: 'single triggers, decisions and claims over HTTP; an empty Fastify handler', bench: singleBench },
  latency: { what: 'trigger to start, idle and over 1,000,000 parked runs', bench: latencyBench },
  schedules: { what: 'how late 10,000 jobs are that are all due at the same minute', bench: schedulesBench },
  live: { what: 'commit to subscriber, and the memory of idle streams', bench: liveBench },
  webhooks: { what: 'CPU of those who append events, without webhooks and with 20', bench: webhooksBench },
  reads: {
    what: 'lists, single runs and sums in a past of 300,000 runs and 1,000,000 events (BENCH_SIZE=large: of 1,000,000 and 10,000,000)',
    bench: readsBench,
  },
}

const HELP = `Measures Runyard against its peers on this machine, with an embedded PostgreSQL of its own.

  npm run bench                all benches, about fifteen minutes
  npm run bench -- queue       one of them

${Object.entries(BENCHES)
  .map(([name, { what }]) => `  ${name.padEnd(12)}${what}`)
  .join('\n')}
`

async function main(names: readonly string[]): Promise<void> {
  if (names.includes('--help') || names.includes('-h')) return void process.stdout.write(HELP)
  const unknown = names.find((name) => !(name in BENCHES))
  if (unknown !== undefined) {
    say(`There is no bench "${unknown}".\n\n${HELP}`)
    process.exitCode = 2
    return
  }
  for (const name of names.length > 0 ? names : Object.keys(BENCHES)) {
    say(`${name}: ${BENCHES[name]!.what}`)
    await BENCHES[name]!.bench()
  }
}

await main(process.argv.slice(2))
