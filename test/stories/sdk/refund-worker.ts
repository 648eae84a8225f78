// A worker as a process of its own, to be killed around a governed call: `HANG` says where it stops doing anything.
import { govern } from '#sdk/ai/govern.ts'
import { createClient } from '#sdk/client.ts'
import { defineJob } from '#sdk/job/define-job.ts'
import { startWorker } from '#sdk/worker/start-worker.ts'

const { URL: baseUrl, KEY: credential, HANG, ONCE } = process.env
const hang = async () => {
  process.send?.({ hangs: true })
  await new Promise(() => {})
}

const realFetch = globalThis.fetch
globalThis.fetch = async (url, init) => {
  const path = String(url)
  if (HANG === 'before settling' && path.endsWith('/settle')) await hang()
  const response = await realFetch(url, init)
  if (HANG !== 'before the call' || !path.endsWith('/authorize')) return response
  const { decision } = (await response.clone().json()) as { decision?: string }
  if (decision === 'allowed') await hang()
  return response
}

const job = defineJob('refund', {
  agent: 'support',
  retryStrategy: 'fixed',
  retryInitialDelaySecs: 0,
  maxAttempts: 3,
  async run(context) {
    const refund = async ({ amount }: { amount: number }, { idempotencyKey }: { idempotencyKey: string }) => {
      process.send?.({ refunded: amount, idempotencyKey })
      if (HANG === 'after the effect') await hang()
      return amount
    }
    const options = { editable: ['amount'], atMostOnce: ONCE === 'yes' }
    return govern(context).call('refund', { amount: 300 }, refund, options)
  },
})

const client = createClient({ baseUrl: baseUrl!, credential: credential! })
await startWorker({ client, jobs: [job], register: true, leaseSecs: 5 }).ready
process.send?.({ ready: true })
