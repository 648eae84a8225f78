// npm run bench: all benches in turn, or those that are named. Every line on stdout is one result as JSON; what is
// for people goes to stderr.
import { say } from './lib/report.ts'
import { queueBench } from './queue/bench.ts'

const BENCHES: Record<string, { what: string; bench: () => Promise<void> }> = {
  queue: { what: 'trigger, claim and settle no-op runs; graphile-worker, pg-boss and BullMQ', bench: queueBench },
}

const HELP = `Measures Runyard against its peers on this machine, with an embedded PostgreSQL of its own.

  npm run bench                all benches, about ten minutes
  npm run bench -- queue       one of them

${Object.entries(BENCHES)
  .map(([name, { what }]) => `  ${name.padEnd(10)}${what}`)
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
