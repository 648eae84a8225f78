// Runyard as a user reaches it: over HTTP, in batches, with the server in a process of its own.
import { Client } from 'undici'
import { scriptInput, scriptOutput } from '../lib/child.ts'
import { type Contestant, contest, type Entry, inBatches } from './contest.ts'
import { type HttpEntry, settleBatch } from './http-calls.ts'

const WORKERS = 2

async function http({ url, key }: HttpEntry): Promise<Contestant> {
  const clients = Array.from({ length: WORKERS }, () => new Client(url))
  const call = (client: Client) => settleBatch(client, key)
  const [first] = clients.map(call)
  await first!.post('/v1/jobs', { slug: 'bench', name: 'bench', execution: 'worker' })
  let turn = 0
  const next = () => call(clients[turn++ % clients.length]!)
  return {
    add: (runs) =>
      inBatches(runs, async (count) => {
        const items = Array.from({ length: count }, (_, i) => ({ payload: { i } }))
        const { created } = await next().post<{ created: number }>('/v1/jobs/bench/runs/batch', { items })
        if (created !== count) throw new Error(`${count - created} of ${count} runs were refused`)
      }),
    async work() {
      await Promise.all(clients.map((client) => call(client).workOff()))
    },
    async close() {
      await Promise.all(clients.map((client) => client.close()))
    },
  }
}

const entry = await scriptInput<Entry & HttpEntry>()
scriptOutput(await contest(await http(entry), entry))
