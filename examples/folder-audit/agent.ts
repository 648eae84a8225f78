// The agent: a worker that audits folders. It asks Runyard for runs, and works on several of them at once.
import { hostname } from 'node:os'
import { join } from 'node:path'
import { createClient } from 'runyard'
import { startWorker } from 'runyard/worker'
import { folderAudit } from './audit.ts'
import { modelOf } from './model.ts'

const HELP = `folder-audit: an agent that audits folders of source code, as runs of the job folder-audit.

  node examples/folder-audit/agent.ts

Settings (environment):
  RUNYARD_API_KEY     a key with the scopes workers, runs:read and jobs:write; required
  RUNYARD_URL         where Runyard is (http://127.0.0.1:8080)
  RUNYARD_QUEUE       queue to take runs from (demo)
  RUNYARD_LEASE_SECS  seconds after which a killed agent's runs go to another (15)
  AUDIT_ROOT          folder outside of which nothing is audited (Runyard's own sources)
  AUDIT_CONCURRENCY   runs at once (4)
  OPENAI_BASE_URL     server of a model that is asked for a summary, such as http://127.0.0.1:11434/v1; none when empty
  OPENAI_API_KEY      its key, if it needs one
  OPENAI_MODEL        its model (gpt-4o-mini)
`

/** A parent that is gone needs no long goodbye, and the server may have gone with it. */
const ORPHAN_MS_MAX = 3_000

async function main(env: NodeJS.ProcessEnv): Promise<void> {
  if (process.argv.includes('--help') || process.argv.includes('-h')) return void process.stdout.write(HELP)
  const baseUrl = env.RUNYARD_URL?.trim() || 'http://127.0.0.1:8080'
  const credential = env.RUNYARD_API_KEY?.trim()
  if (!credential) throw new Error('RUNYARD_API_KEY is not set; --help tells more')
  const queue = env.RUNYARD_QUEUE?.trim() || 'demo'
  const concurrency = wholeOf(env, 'AUDIT_CONCURRENCY', { fallback: 4, min: 1, max: 100 })
  const leaseSecs = wholeOf(env, 'RUNYARD_LEASE_SECS', { fallback: 15, min: 5, max: 300 })
  const client = createClient({ baseUrl, credential })
  const root = env.AUDIT_ROOT?.trim() || join(import.meta.dirname, '../..')
  const worker = startWorker({
    client,
    jobs: [folderAudit({ root, model: modelOf(env) })],
    register: 'missing',
    workerId: `folder-audit-${hostname()}-${process.pid}`,
    queues: [queue],
    concurrency,
    leaseSecs,
  })
  // Started by another process, it ends with it, however that process ends.
  process.on('disconnect', () => {
    setTimeout(() => process.exit(1), ORPHAN_MS_MAX).unref()
    void worker.close()
  })
  await worker.ready
  console.log(`folder-audit: waiting for runs in queue ${queue} of ${baseUrl}, ${concurrency} at once`)
  await worker.closed
  if (process.connected) process.disconnect()
}

type Range = { fallback: number; min: number; max: number }

function wholeOf(env: NodeJS.ProcessEnv, name: string, { fallback, min, max }: Range): number {
  const value = Number(env[name]?.trim() || fallback)
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new Error(`${name} must be a whole number from ${min} to ${max}`)
  }
  return value
}

main(process.env).catch((error: unknown) => {
  console.error(`folder-audit: ${error instanceof Error ? error.message : error}`)
  process.exit(1)
})
