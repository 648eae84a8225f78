// One node as a process of its own, for tests that kill it: prints its address when it is ready.
import { pino } from 'pino'
import { readConfig } from '#config.ts'
import { startNode } from '#node.ts'

const config = readConfig(process.env)
const node = await startNode({
  config,
  databaseUrl: config.databaseUrl!,
  keepKey: false,
  log: pino({ level: 'silent' }),
})
process.stdout.write(`ready at ${node.address}\n`)
process.on('SIGTERM', () => void node.close().then(() => process.exit(0)))
