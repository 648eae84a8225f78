// The cost bench: CPU and bytes of a run, an event and a decision, by the size of the batch. CPU time is summed over processes,
// so its figures hold while the machine is busy with other work; rates do not.
import { fileURLToPath } from 'node:url'
import { runScript } from '../lib/child.ts'
import { median, round } from '../lib/numbers.ts'
import { report, say } from '../lib/report.ts'
import { onStage } from '../lib/stage.ts'
import type { Cost, CostEntry, Costs } from './own-process.ts'

const ROUNDS = 3
const TURN_MS_MAX = 600_000
const SIZES = [
  { batch: 1, runs: 1_000 },
  { batch: 32, runs: 6_400 },
  { batch: 500, runs: 20_000 },
]
const STEPS = ['trigger', 'claim', 'settle', 'append', 'decide'] as const
type Step = (typeof STEPS)[number]
type Target = { postgresUs: number; nodeUs: number }

/** CPU of one call at batch 1. */
const SINGLE_TARGETS: Partial<Record<Step, Target>> = {
  trigger: { postgresUs: 350, nodeUs: 200 },
  claim: { postgresUs: 500, nodeUs: 200 },
  settle: { postgresUs: 350, nodeUs: 150 },
}
/** CPU of a whole run at the largest batch, and its WAL. */
const RUN_TARGET: Target = { postgresUs: 90, nodeUs: 25 }
const WAL_BYTES_TARGET = 3 * 1024

export const costBench = (): Promise<void> =>
  onStage(async (stage) => {
    const script = fileURLToPath(new URL('./own-process.ts', import.meta.url))
    const rounds: Costs[][] = []
    for (let nth = 1; nth <= ROUNDS; nth++) {
      const url = await stage.freshDatabase()
      const entry: CostEntry = { url, sizes: SIZES }
      rounds.push(await runScript<Costs[]>(script, entry, TURN_MS_MAX))
      await stage.dropDatabase(url)
      say(`  round ${nth}: ${rounds.at(-1)!.map(sentence).join('; ')}`)
    }
    for (const [index, { batch }] of SIZES.entries()) {
      tell(
        batch,
        rounds.map((round) => round[index]!),
      )
    }
  })

const words = ({ postgresUs, nodeUs }: Cost) => `${round(postgresUs)} + ${round(nodeUs)}`
const sentence = (costs: Costs) =>
  `batches of ${costs.batch}: ${STEPS.map((step) => `${step} ${words(costs[step])}`).join(', ')} µs a call`

function tell(batch: number, rounds: readonly Costs[]): void {
  const medianOf = (of: (costs: Costs) => number) => median(rounds.map(of))
  const cost = (step: Step): Cost => ({
    postgresUs: round(
      medianOf((it) => it[step].postgresUs),
      1,
    ),
    nodeUs: round(
      medianOf((it) => it[step].nodeUs),
      1,
    ),
  })
  const aRun = (what: keyof Cost) =>
    round(
      medianOf((it) => (it.trigger[what] + it.claim[what] + it.settle[what]) / batch),
      1,
    )
  const bytes = (what: keyof Costs & `${string}Bytes${string}`) => round(medianOf((it) => it[what]))
  const run = { postgresUs: aRun('postgresUs'), nodeUs: aRun('nodeUs') }
  const whole = batch === SIZES.at(-1)!.batch
  const steps = Object.fromEntries(STEPS.map((step) => [step, cost(step)]))
  const wal = bytes('walBytesPerRun')
  report(
    {
      bench: 'cost',
      batch,
      ours: run.postgresUs + run.nodeUs,
      peer: null,
      ratio: null,
      unit: 'µs of CPU a run',
      ...(whole && { target: RUN_TARGET.postgresUs + RUN_TARGET.nodeUs }),
      rounds: ROUNDS,
      details: {
        run,
        aCall: steps,
        ...(batch === 1 && { aCallTargets: SINGLE_TARGETS }),
        ...(whole && { runTarget: RUN_TARGET, walBytesTarget: WAL_BYTES_TARGET }),
        bytes: {
          walPerRun: wal,
          diskPerRun: bytes('diskBytesPerRun'),
          walPerEvent: bytes('walBytesPerEvent'),
          diskPerEvent: bytes('diskBytesPerEvent'),
        },
      },
    },
    `batches of ${batch}: a run ${words(run)} µs of CPU (PostgreSQL + Node), ${wal} bytes of WAL; a call: ${STEPS.map((step) => `${step} ${words(cost(step))}`).join(', ')}`,
  )
}
