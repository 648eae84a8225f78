// BullMQ with jobs removed once they are done, which is its quickest way; `url` is the Redis server's.
import { Queue, Worker } from 'bullmq'
import { scriptInput, scriptOutput } from '../lib/child.ts'
import { type Contestant, contest, type Entry, inBatches } from './contest.ts'

const CONCURRENCY = 200

async function bullmq({ url }: Entry): Promise<Contestant> {
  const { hostname: host, port } = new URL(url)
  const connection = { host, port: Number(port), maxRetriesPerRequest: null }
  const queue = new Queue('bench', { connection, defaultJobOptions: { removeOnComplete: true } })
  await queue.waitUntilReady()
  return {
    add: (runs) =>
      inBatches(runs, (count) =>
        queue.addBulk(Array.from({ length: count }, (_, i) => ({ name: 'noop', data: { i } }))),
      ),
    async work(runs) {
      const done = Promise.withResolvers<void>()
      let count = 0
      const worker = new Worker('bench', async () => {}, { connection, concurrency: CONCURRENCY, autorun: false })
      worker.on('error', done.reject)
      worker.on('completed', () => {
        if (++count === runs) done.resolve()
      })
      void worker.run()
      await done.promise
      await worker.close()
    },
    close: () => queue.close(),
  }
}

const entry = await scriptInput<Entry>()
scriptOutput(await contest(await bullmq(entry), entry))
