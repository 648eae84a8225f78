// Idle streams, each of a run of its own, and what the server's process grows by while they are open.
import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'undici'
import { poster } from '../lib/call.ts'
import { scriptInput, scriptOutput } from '../lib/child.ts'
import { makeRuns } from './runs.ts'
import { openStreams, type StreamEntry } from './streams.ts'

export type IdleEntry = StreamEntry & { serverPid: number; streams: number }
export type Idle = { bytesBefore: number; bytesAfter: number }

const WARM_UP = 500
const REST_MS = 5_000

async function idle({ url, key, serverPid, streams }: IdleEntry): Promise<Idle> {
  const client = new Client(url)
  const runIds = await makeRuns(poster(client, key), streams)
  await client.close()
  // What a server compiles and sets aside for its first streams is not the price of one more.
  const first = await openStreams({ url, key }, runIds.slice(0, WARM_UP), () => {})
  first.close()
  await sleep(REST_MS)
  const bytesBefore = residentBytes(serverPid)
  const open = await openStreams({ url, key }, runIds, () => {})
  await Promise.race([sleep(REST_MS), open.failed])
  const bytesAfter = residentBytes(serverPid)
  open.close()
  return { bytesBefore, bytesAfter }
}

const residentBytes = (pid: number): number =>
  Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1024

scriptOutput(await idle(await scriptInput<IdleEntry>()))
