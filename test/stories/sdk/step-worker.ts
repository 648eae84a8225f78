// A worker as a process of its own, to be killed: its job has three steps, and the first process stays in the third.
import { createClient } from '#sdk/client.ts'
import { defineJob } from '#sdk/job/define-job.ts'
import { startWorker } from '#sdk/worker/start-worker.ts'

const job = defineJob('three-steps', {
  retryStrategy: 'fixed',
  retryInitialDelaySecs: 0,
  async run({ step, run }) {
    const one = await step('one', () => ({ pid: process.pid }))
    const two = await step('two', () => ({ pid: process.pid }))
    const three = await step('three', async () => {
      if (run.attempt === 1) await new Promise(() => {})
      return { pid: process.pid }
    })
    return [one, two, three]
  },
})

const client = createClient({ baseUrl: process.env.URL!, credential: process.env.KEY! })
const worker = startWorker({ client, jobs: [job], register: true, leaseSecs: 5 })
await worker.ready
process.send?.({ ready: true })
