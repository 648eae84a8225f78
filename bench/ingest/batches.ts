// Ours: batches of 1,000 events over HTTP, from two connections.
import { Client } from 'undici'
import { poster } from '../lib/call.ts'
import { scriptInput, scriptOutput } from '../lib/child.ts'
import { BATCH, type BatchEntry, batchOf, repeat } from './repeat.ts'

const CONNECTIONS = 2

const entry = await scriptInput<BatchEntry>()
const clients = Array.from({ length: CONNECTIONS }, () => new Client(entry.url))
const senders = clients.map((client) => {
  const post = poster(client, entry.key)
  return async (batch: number) => {
    const { appended } = await post<{ appended: number }>('/v1/events', batchOf(batch, entry.runsPerBatch))
    if (appended !== BATCH) throw new Error(`${BATCH - appended} of ${BATCH} events were refused`)
  }
})
const result = await repeat(entry, senders)
await Promise.all(clients.map((client) => client.close()))
scriptOutput(result)
