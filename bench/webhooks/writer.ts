// Appends events at a set pace, and tells what that cost: CPU of this process and of its sessions in PostgreSQL, and of no
// other, so that what carries webhooks is not counted.
import { setTimeout as sleep } from 'node:timers/promises'
import { scriptInput, scriptOutput } from '../lib/child.ts'
import { sessionsCpuUs } from '../lib/cpu.ts'
import { openOwnProcess } from '../lib/own-process.ts'

export type WriterEntry = { url: string; perSecond: number; warmUpMs: number; measureMs: number; wantedType: string }
/** Microseconds of CPU for each event. */
export type Written = { events: number; perSecond: number; postgresUs: number; nodeUs: number }

const BATCH = 200
/** One event in so many is of the type that webhooks want. */
const WANTED_EVERY = 100

const entry = await scriptInput<WriterEntry>()
const ours = await openOwnProcess(entry.url)
const runs = Array.from({ length: BATCH }, (_, nth) => `webhooks-${nth}`)
await write(entry.warmUpMs)
const pids = (
  await ours.sql<{ pid: number }[]>`
  select pid from pg_stat_activity
  where application_name = 'runyard-bench' and datname = current_database()`
).map(({ pid }) => pid)
const before = { postgresUs: await sessionsCpuUs(pids), node: process.cpuUsage(), ms: performance.now() }
const events = await write(entry.measureMs)
const { user, system } = process.cpuUsage(before.node)
const written: Written = {
  events,
  perSecond: (events / (performance.now() - before.ms)) * 1_000,
  postgresUs: ((await sessionsCpuUs(pids)) - before.postgresUs) / events,
  nodeUs: (user + system) / events,
}
await ours.close()
scriptOutput(written)

/** Falling behind is not made up for: the next batch is due a whole turn later. */
async function write(ms: number): Promise<number> {
  const endMs = performance.now() + ms
  const turnMs = (BATCH * 1_000) / entry.perSecond
  let events = 0
  while (performance.now() < endMs) {
    const begunMs = performance.now()
    await ours.append(runs)
    await ours.append(runs.slice(0, BATCH / WANTED_EVERY), entry.wantedType)
    events += BATCH + BATCH / WANTED_EVERY
    await sleep(Math.max(0, turnMs - (performance.now() - begunMs)))
  }
  return events
}
