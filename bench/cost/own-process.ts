// What a run costs by the size of its batch: CPU of PostgreSQL and of this process for trigger, claim, settle, append
// and decide, and the bytes that a run and an event leave in the WAL and on disk.
import { scriptInput, scriptOutput } from '../lib/child.ts'
import { postgresCpuUs } from '../lib/cpu.ts'
import { type Held, type OwnProcess, openOwnProcess } from '../lib/own-process.ts'

export type CostEntry = { url: string; sizes: readonly { batch: number; runs: number }[] }
/** Microseconds of CPU for each call of that size. */
export type Cost = { postgresUs: number; nodeUs: number }
export type Costs = {
  batch: number
  runs: number
  trigger: Cost
  claim: Cost
  settle: Cost
  append: Cost
  decide: Cost
  walBytesPerRun: number
  diskBytesPerRun: number
  walBytesPerEvent: number
  diskBytesPerEvent: number
}

const WARM_UP_CALLS = 40

const entry = await scriptInput<CostEntry>()
const ours = await openOwnProcess(entry.url)
const costs: Costs[] = []
for (const { batch, runs } of entry.sizes) costs.push(await measure(ours, batch, runs))
await ours.close()
scriptOutput(costs)

async function measure({ sql, trigger, claim, settle, append, decide }: OwnProcess, batch: number, runs: number) {
  const [{ pid }] = (await sql`select pg_backend_pid() as pid`) as unknown as [{ pid: number }]
  const calls = runs / batch
  let held: Held[][] = []
  const external = Array.from({ length: batch }, (_, nth) => `cost-${batch}-${nth}`)
  const cycle = async (count: number) => {
    const triggered = await costOf(pid, count, () => trigger(batch))
    held = []
    const claimed = await costOf(pid, count, async () => void held.push(await claim(batch)))
    const settled = await costOf(pid, count, () => settle(held.pop()!))
    return { trigger: triggered, claim: claimed, settle: settled }
  }
  await cycle(WARM_UP_CALLS)
  for (let nth = 0; nth < WARM_UP_CALLS; nth++) await append(external)
  for (let nth = 0; nth < WARM_UP_CALLS; nth++) await decide(batch)
  const began = await bytes(sql)
  const cycled = await cycle(calls)
  const between = await bytes(sql)
  const appended = await costOf(pid, calls, () => append(external))
  const ended = await bytes(sql)
  const decided = await costOf(pid, calls, () => decide(batch))
  return {
    batch,
    runs,
    ...cycled,
    append: appended,
    decide: decided,
    walBytesPerRun: (between.wal - began.wal) / runs,
    diskBytesPerRun: (between.disk - began.disk) / runs,
    walBytesPerEvent: (ended.wal - between.wal) / runs,
    diskBytesPerEvent: (ended.disk - between.disk) / runs,
  }
}

/** Of one call, as the mean of `calls` made one after the other. */
async function costOf(pid: number, calls: number, work: () => Promise<void>): Promise<Cost> {
  const [postgresBefore, nodeBefore] = [await postgresCpuUs(pid), process.cpuUsage()]
  for (let nth = 0; nth < calls; nth++) await work()
  const { user, system } = process.cpuUsage(nodeBefore)
  return { postgresUs: ((await postgresCpuUs(pid)) - postgresBefore) / calls, nodeUs: (user + system) / calls }
}

/** Of the database's files, and of the log of all changes so far. */
async function bytes(sql: OwnProcess['sql']): Promise<{ wal: number; disk: number }> {
  const [row] = await sql<{ wal: number; disk: number }[]>`
    select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as wal, pg_database_size(current_database())::float8 as disk`
  return row!
}
