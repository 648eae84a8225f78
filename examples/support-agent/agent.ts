// The agent: a worker that answers messages.
import { join } from 'node:path'
import { createClient } from 'runyard'
import { startWorker } from 'runyard/worker'
import { support } from './support.ts'

const HELP = `support-agent: answers messages of customers, as runs of the job support.

  node examples/support-agent/agent.ts

Settings (environment):
  RUNYARD_API_KEY  a key with the scopes workers, runs:read and jobs:write; required
  RUNYARD_URL      where Runyard is (http://127.0.0.1:8080)
  SUPPORT_ORDERS   file with the orders (orders.json beside this program)
  SUPPORT_OUTBOX   file that replies are appended to (outbox.jsonl)
`

async function main({
  RUNYARD_URL,
  RUNYARD_API_KEY,
  SUPPORT_ORDERS,
  SUPPORT_OUTBOX,
}: NodeJS.ProcessEnv): Promise<void> {
  if (process.argv.includes('--help') || process.argv.includes('-h')) return void process.stdout.write(HELP)
  if (!RUNYARD_API_KEY) throw new Error('RUNYARD_API_KEY is not set; see --help')
  const client = createClient({ baseUrl: RUNYARD_URL || 'http://127.0.0.1:8080', credential: RUNYARD_API_KEY })
  const job = support({
    orders: SUPPORT_ORDERS || join(import.meta.dirname, 'orders.json'),
    outbox: SUPPORT_OUTBOX || 'outbox.jsonl',
  })
  const worker = startWorker({ client, jobs: [job], register: true })
  await worker.ready
  console.log('support-agent: waiting for messages')
  await worker.closed
}

main(process.env).catch((error: unknown) => {
  console.error(`support-agent: ${error instanceof Error ? error.message : error}`)
  process.exit(1)
})
