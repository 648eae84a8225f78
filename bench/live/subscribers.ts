// Subscribers, and one who appends at a steady pace. The time of an event is taken from `recorded_at`, which is read
// from the clock within the appending statement: the commit comes after it, and is part of what is measured.
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'undici'
import { poster } from '../lib/call.ts'
import { scriptInput, scriptOutput } from '../lib/child.ts'
import { tails } from '../lib/numbers.ts'
import { makeRuns } from './runs.ts'
import { openStreams, type StreamEntry } from './streams.ts'

export type SubscriberEntry = StreamEntry & { runs: number; subscribers: number; events: number; everyMs: number }
export type Delivered = { deliveries: number; latency: ReturnType<typeof tails> }

const RECORDED = /"recorded_at":"([^"]+)"/g
const WARM_UP = 20
const REST_MS_MAX = 5_000

async function subscribers(entry: SubscriberEntry): Promise<Delivered> {
  const client = new Client(entry.url, { pipelining: 1 })
  const post = poster(client, entry.key)
  const runIds = await makeRuns(post, entry.runs)
  const took: number[] = []
  const streams = await openStreams(
    entry,
    Array.from({ length: entry.subscribers }, (_, i) => runIds[i % runIds.length]!),
    (text) => {
      const now = performance.timeOrigin + performance.now()
      for (const [, recordedAt] of text.matchAll(RECORDED)) took.push(now - Date.parse(recordedAt!))
    },
  )
  const perEvent = entry.subscribers / entry.runs
  const append = () =>
    post('/v1/events', {
      run_id: runIds[Math.floor(Math.random() * runIds.length)],
      type: 'agent.tool_call.completed',
      message: 'searched the index',
    })
  const publish = async (count: number) => {
    const appended: Promise<unknown>[] = []
    const began = performance.now()
    for (let nth = 0; nth < count; nth++) {
      appended.push(append())
      await sleep(Math.max(0, began + (nth + 1) * entry.everyMs - performance.now()))
    }
    await Promise.all(appended)
    const late = performance.now() + REST_MS_MAX
    while (took.length < count * perEvent && performance.now() < late) await sleep(20)
  }
  await Promise.race([publish(WARM_UP), streams.failed])
  took.length = 0
  await Promise.race([publish(entry.events), streams.failed])
  streams.close()
  await client.close()
  const wanted = entry.events * perEvent
  if (took.length !== wanted) throw new Error(`${took.length} deliveries instead of ${wanted}`)
  return { deliveries: took.length, latency: tails(took) }
}

scriptOutput(await subscribers(await scriptInput<SubscriberEntry>()))
