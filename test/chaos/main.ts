// npm run chaos: three nodes over a primary and its standby, under load, while everything about them fails at random.
import { chmod, mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { checkAll } from './checks.ts'
import { drawFault, FAULTS } from './faults.ts'
import { clientOf } from './load/client.ts'
import { startLoad } from './load/load.ts'
import { newOracle, type Oracle } from './load/oracle.ts'
import { type Random, randomOf } from './random.ts'
import { asMarkdown, type Injected, longestGapMs, makeReport, writeReport } from './report.ts'
import { untilReady } from './stage/nodes.ts'
import { lookAt } from './stage/postgres.ts'
import { openStage, type Stage } from './stage/stage.ts'

const HELP = `Proves that failures lose nothing: three nodes, a primary and its synchronous standby, Redis and a balancer, all
real processes, under load, while they are killed, stopped, cut off and failed over at random. Afterwards everything
that clients were told is held against the database.

  npm run chaos                        for 30 minutes
  npm run chaos -- --minutes 3         shorter
  npm run chaos -- --seed 42           the same faults in the same order
  npm run chaos -- --report docs       writes chaos.md and chaos.json there
  npm run chaos -- --keep              leaves the folder with all logs, also when all is well

Needs postgresql-15, haproxy and redis-server from Debian's packages; with faketime, clocks jump too.
It ends with 1 when something was lost, and prints what.
`

const CALM_MS = [1_000, 6_000] as const
/** A node that was killed is back, and what it held is given to others. */
const HEALED_MS = 15_000
/** The exit code of a node whose start failed. */
const START_FAILED = 1
const SETTLED_MS_MAX = 180_000
const MEMORY_FREE_MIN = 6 * 2 ** 30

const say = (line: string) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`)

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '30' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      report: { type: 'string' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return void process.stdout.write(HELP)
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)]
  if (!(minutes > 0 && minutes <= 24 * 60)) throw new Error('--minutes must be a number from 0 to 1440')
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error('--seed must be a whole number')
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  const home = await mkdtemp(join(await quickestFolder(), 'runyard-chaos-'))
  await chmod(home, 0o711)
  say(`seed ${seed}, ${minutes} minutes, logs in ${home}`)
  const stage = await openStage(home, say)
  const report = await torment(stage, { seed, minutes })
  await stage.stop()
  if (values.report !== undefined) await writeReport(report, values.report)
  process.stdout.write(asMarkdown(report))
  if (report.ok && !values.keep) await rm(home, { recursive: true, force: true, maxRetries: 5 })
  else say(`logs are in ${home}`)
  process.exit(report.ok ? 0 : 1)
}

/** In memory, where there is room: what is killed here are processes, and files outlive those. */
async function quickestFolder(): Promise<string> {
  const memory = await statfs('/dev/shm').catch(() => undefined)
  return memory && memory.bavail * memory.bsize > MEMORY_FREE_MIN ? '/dev/shm' : tmpdir()
}

async function torment(stage: Stage, { seed, minutes }: { seed: number; minutes: number }) {
  const random = randomOf(seed)
  const oracle = newOracle()
  // The load draws numbers as it is answered, so that the faults need a source of their own to be repeatable.
  const load = await startLoad({ address: stage.balancer.address, random: randomOf(seed + 1), oracle })
  const ending = new AbortController()
  const died: string[] = []
  const supervising = supervise(stage, ending.signal, died)
  const injected = await injectFaults(stage, { random, minutes, oracle })
  await sleep(HEALED_MS)
  await load.endTriggers()
  say(`${oracle.accepted.size} runs were accepted; until all have ended`)
  const sql = lookAt(`${stage.pair.primary().url('runyard')}`)
  await untilSettled(sql, oracle)
  ending.abort()
  await supervising
  await load.end()
  const checks = await checkAll(sql, oracle, clientOf(stage.balancer.address, new AbortController().signal))
  await sql.end({ timeout: 1 })
  const answered = load.answered()
  return makeReport({
    seed,
    minutes,
    oracle,
    checks,
    nodesThatDied: died,
    skipped: FAULTS.flatMap(({ name, missing }) => {
      const because = missing?.(stage)
      return because === undefined ? [] : [{ name, because }]
    }),
    injected: injected.map(({ fromMs, untilMs, ...fault }) => ({
      ...fault,
      gapMs: longestGapMs(answered, fromMs, untilMs),
    })),
  })
}

type Timed = Omit<Injected, 'gapMs'> & { fromMs: number; untilMs: number }

async function injectFaults(
  stage: Stage,
  { random, minutes, oracle }: { random: Random; minutes: number; oracle: Oracle },
): Promise<Timed[]> {
  const beganMs = performance.now()
  const endMs = beganMs + minutes * 60_000
  const possible = FAULTS.filter(({ missing }) => missing?.(stage) === undefined)
  const counts = new Map<string, number>()
  const injected: Timed[] = []
  while (performance.now() < endMs) {
    await sleep(random.between(...CALM_MS))
    const fault = drawFault(possible, random, counts)
    counts.set(fault.name, (counts.get(fault.name) ?? 0) + 1)
    const fromMs = performance.now()
    await fault.run(stage, random)
    const tookMs = Math.round(performance.now() - fromMs)
    // Whoever was cut off is back at once, or else the fault was not healed.
    await untilReady(stage.balancer.address)
    const untilMs = performance.now()
    injected.push({ name: fault.name, atSecs: Math.round((fromMs - beganMs) / 1000), tookMs, fromMs, untilMs })
    say(`${fault.name}: ${tookMs} ms, ready after ${Math.round(untilMs - fromMs)} ms; ${oracle.accepted.size} runs`)
  }
  return injected
}

/** Starts nodes that ended by themselves, as a service manager would, and takes a note of it. */
async function supervise({ nodes }: Stage, ending: AbortSignal, died: string[]): Promise<void> {
  const missingSince = new Map<string, number>()
  while (!ending.aborted) {
    for (const node of nodes) {
      if (node.isRunning()) missingSince.delete(node.name)
      else missingSince.set(node.name, missingSince.get(node.name) ?? performance.now())
      // Those that a fault killed are started again by it within three seconds.
      if (performance.now() - (missingSince.get(node.name) ?? performance.now()) < 4_000) continue
      const by = node.endedBy()
      if (by === START_FAILED) say(`${node.name} found no database at its start, and is started again`)
      else died.push(`${node.name} at ${new Date().toISOString()} with ${by}`)
      missingSince.delete(node.name)
      await node.start()
    }
    await sleep(200)
  }
}

/** Until all accepted runs are over and the feeds have brought their events, or it takes too long. */
async function untilSettled(sql: ReturnType<typeof lookAt>, { streamed }: Oracle): Promise<void> {
  const endMs = performance.now() + SETTLED_MS_MAX
  while (performance.now() < endMs) {
    const [left] = await sql<{ open: number; completed: number }[]>`
      select
        (select count(*) from run_states where state in ('queued', 'delayed', 'dequeued', 'executing', 'waiting'))::int
          as open,
        (select count(*) from events where type = 'run.completed')::int as completed`
    const seen = [...streamed].filter(([name]) => name.startsWith('feed')).map(([, ids]) => ids.length)
    if (left!.open === 0 && seen.every((count) => count >= left!.completed)) return
    await sleep(250)
  }
}

await main()
