// What is done to the stage. Each fault heals what it broke before it returns, so that they come one after the other;
// the load goes on all the time.
import { writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from './random.ts'
import type { Stage } from './stage/stage.ts'

export type Fault = {
  name: string
  /** How often it is drawn, compared with the others. */
  weight: number
  run(stage: Stage, random: Random): Promise<void>
  /** Undefined where it can be done; otherwise why not. */
  missing?: (stage: Stage) => string | undefined
}

/** The shortest lease there is, so that what a stopped node or worker holds is given to others meanwhile. */
const LEASE_MS = 5_000

export const FAULTS: readonly Fault[] = [
  {
    name: 'node killed',
    weight: 4,
    async run({ nodes }, random) {
      const node = random.pick(nodes)
      await node.kill()
      await sleep(random.between(0, 3_000))
      await node.start()
    },
  },
  {
    name: 'node stopped beyond its leases',
    weight: 2,
    async run({ nodes }, random) {
      const node = random.pick(nodes)
      node.signal('SIGSTOP')
      await sleep(random.between(LEASE_MS + 2_000, 4 * LEASE_MS))
      node.signal('SIGCONT')
    },
  },
  {
    name: 'two nodes killed',
    weight: 1,
    async run({ nodes }, random) {
      const spared = random.pick(nodes)
      const others = nodes.filter((node) => node !== spared)
      await Promise.all(others.map((node) => node.kill()))
      await sleep(random.between(0, 2_000))
      await Promise.all(others.map((node) => node.start()))
    },
  },
  {
    name: 'failover, primary killed',
    weight: 3,
    async run({ pair }, random) {
      await pair.failOver('kill')
      await sleep(random.between(1_000, 5_000))
      await pair.rebuild()
    },
  },
  {
    name: 'failover, primary hangs and comes back',
    weight: 2,
    async run({ pair }, random) {
      await pair.failOver('hang')
      await sleep(random.between(6_000, 12_000))
      // For a while there are two that would take writes.
      pair.standby().goOn()
      await sleep(random.between(1_000, 4_000))
      await pair.rebuild()
    },
  },
  {
    name: 'backends terminated',
    weight: 4,
    async run({ pair }, random) {
      for (let times = Math.ceil(random.between(1, 6)); times > 0; times--) {
        const share = random.between(0.2, 1)
        await pair.primary().ask(`
          select pg_terminate_backend(pid) from pg_stat_activity
          where application_name like 'runyard%' and random() < ${share}`)
        await sleep(random.between(50, 800))
      }
    },
  },
  {
    name: 'Redis restarted',
    weight: 2,
    async run({ redis }, random) {
      await redis.kill()
      await sleep(random.between(200, 5_000))
      await redis.start()
    },
  },
  {
    name: 'balancer flaps',
    weight: 2,
    async run({ balancer }, random) {
      for (let times = Math.ceil(random.between(1, 4)); times > 0; times--) {
        await balancer.kill()
        await sleep(random.between(50, 800))
        await balancer.start()
        await sleep(random.between(200, 1_000))
      }
    },
  },
  {
    name: 'clock of a node jumps',
    weight: 2,
    missing: ({ clockFile }) => (clockFile === undefined ? 'libfaketime is not installed' : undefined),
    async run({ clockFile }, random) {
      await writeFile(clockFile!, `${random.chance(0.5) ? '+' : '-'}${Math.round(random.between(60, 86_400))}`)
      await sleep(random.between(3_000, 10_000))
      await writeFile(clockFile!, '+0')
    },
  },
]

/** Draws a fault; each kind comes once before any comes again, so that a short run has seen them all. */
export function drawFault(faults: readonly Fault[], random: Random, counts: ReadonlyMap<string, number>): Fault {
  const unseen = faults.filter(({ name }) => !counts.has(name))
  const among = unseen.length > 0 ? unseen : faults
  return random.pick(among.flatMap((fault) => Array.from({ length: fault.weight }, () => fault)))
}
