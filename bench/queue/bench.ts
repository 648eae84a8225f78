// The queue bench: no-op runs from trigger to settlement, ours and the peers', in turns on the same PostgreSQL.
import { fileURLToPath } from 'node:url'
import { runScript } from '../lib/child.ts'
import { median, round, spread } from '../lib/numbers.ts'
import { report, say } from '../lib/report.ts'
import { BENCH_KEY, startRunyard } from '../lib/runyard.ts'
import { onStage, type Stage } from '../lib/stage.ts'
import type { Times } from './contest.ts'
import { startRedis } from './redis.ts'

const RUNS = 20_000
const WARM_UP = 3_000
const ROUNDS = 3
const TURN_MS_MAX = 60_000
const TARGETS = { 'graphile-worker': 1, 'pg-boss': 3, bullmq: 1 } as const

type Measured = { whole: number; add: number; work: number }
type Turn = { name: string; take: () => Promise<Times> }

export const queueBench = (): Promise<void> =>
  onStage(async (stage) => {
    const turns = await makeTurns(stage)
    const rounds = new Map<string, Measured[]>(turns.map(({ name }) => [name, []]))
    for (let round = 1; round <= ROUNDS; round++) {
      for (const { name, take } of turns) {
        const measured = perSecond(await take())
        rounds.get(name)!.push(measured)
        say(`  round ${round} ${name}: ${measured.whole} runs/s (add ${measured.add}, work ${measured.work})`)
      }
    }
    tell(rounds)
  })

const perSecond = ({ addMs, workMs }: Times): Measured => ({
  whole: round((RUNS / (addMs + workMs)) * 1000),
  add: round((RUNS / addMs) * 1000),
  work: round((RUNS / workMs) * 1000),
})

async function makeTurns(stage: Stage): Promise<Turn[]> {
  const script = (name: string) => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))
  const take = (name: string, entry: object) =>
    runScript<Times>(script(name), { runs: RUNS, warmUp: WARM_UP, ...entry }, TURN_MS_MAX)
  const onPostgres = (name: string): Turn => ({
    name,
    async take() {
      const url = await stage.freshDatabase()
      const times = await take(name, { url })
      await stage.dropDatabase(url)
      return times
    },
  })
  const overHttp: Turn = {
    name: 'http',
    async take() {
      const url = await stage.freshDatabase()
      const server = await startRunyard(url)
      stage.atEnd(server.stop)
      const times = await take('http', { url: server.address, key: BENCH_KEY })
      await server.stop()
      await stage.dropDatabase(url)
      return times
    },
  }
  const turns = [onPostgres('in-process'), onPostgres('graphile-worker'), overHttp, onPostgres('pg-boss')]
  try {
    const { address, stop } = await startRedis(stage.folder)
    stage.atEnd(stop)
    turns.push({ name: 'bullmq', take: () => take('bullmq', { url: address }) })
  } catch (error) {
    say(`  BullMQ sits out: no Redis server could be started (${(error as Error).message})`)
  }
  return turns
}

function tell(rounds: ReadonlyMap<string, Measured[]>): void {
  const medianOf = (name: string, what: keyof Measured) => median(rounds.get(name)!.map((it) => it[what]))
  const summary = (name: string) => ({
    whole: medianOf(name, 'whole'),
    add: medianOf(name, 'add'),
    work: medianOf(name, 'work'),
    spread: spread(rounds.get(name)!.map((it) => it.whole)),
  })
  const ours = medianOf('in-process', 'whole')
  for (const [peer, target] of Object.entries(TARGETS)) {
    if (!rounds.has(peer)) continue
    const theirs = medianOf(peer, 'whole')
    const ratio = round(ours / theirs, 2)
    report(
      {
        bench: 'queue',
        against: peer,
        ours,
        peer: theirs,
        ratio,
        unit: 'runs/s',
        target,
        runs: RUNS,
        rounds: ROUNDS,
        details: { inProcess: summary('in-process'), http: summary('http'), [peer]: summary(peer) },
      },
      `${ours} runs/s with three events each (${medianOf('http', 'whole')} over HTTP), ${peer} ${theirs}: ${ratio} of it, wanted ${target}`,
    )
  }
}
