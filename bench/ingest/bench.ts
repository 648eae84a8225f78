// The ingest bench: single events against an empty handler of the same Fastify, and batches against raw inserts.
import { fileURLToPath } from 'node:url'
import { Client } from 'undici'
import { poster } from '../lib/call.ts'
import { runScript, startServer } from '../lib/child.ts'
import type { Load } from '../lib/load.ts'
import { median, round, spread } from '../lib/numbers.ts'
import { report, say } from '../lib/report.ts'
import { BENCH_KEY, startRunyard } from '../lib/runyard.ts'
import { onStage, type Stage } from '../lib/stage.ts'
import { eventOf, RUNS } from './event.ts'
import { type Batches, batchOf } from './repeat.ts'

const ROUNDS = 3
const TIMES = { warmUpMs: 400, measureMs: 1_500 }
const TURN_MS_MAX = 15_000
/** By connections, what share of the empty handler's answers there ought to be. */
const SINGLE_TARGETS = [
  [64, 0.5],
  [256, 0.7],
] as const
const BATCH_TARGET = 0.6
/** A run per event is the worst, since each locks and moves its run's row; few runs is what an agent sends. */
const RUNS_PER_BATCH = [RUNS, 10]

const EVENTS = Array.from({ length: RUNS }, (_, nth) => eventOf(nth))

const path = (name: string) => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))

export const ingestBench = (): Promise<void> =>
  onStage(async (stage) => {
    const url = await stage.freshDatabase()
    const { address } = await startOurs(stage, url)
    const empty = await startServer(process.execPath, [path('../lib/empty')], { ready: /ready at (http:\S+)/ })
    stage.atEnd(empty.stop)
    for (const [connections, target] of SINGLE_TARGETS) {
      const turn = (url: string) =>
        runScript<Load>(
          path('../lib/load'),
          { url, key: BENCH_KEY, path: '/v1/events', bodies: EVENTS, connections, ...TIMES },
          TURN_MS_MAX,
        )
      const rounds = await inTurns(
        () => turn(address),
        () => turn(empty.address),
      )
      tellSingle(connections, target, rounds)
    }
    for (const runsPerBatch of RUNS_PER_BATCH) {
      const turn = (name: string, url: string) =>
        runScript<Batches>(path(name), { url, key: BENCH_KEY, runsPerBatch, ...TIMES }, TURN_MS_MAX)
      const rounds = await inTurns(
        () => turn('batches', address),
        () => turn('raw', url),
      )
      tellBatches(runsPerBatch, rounds)
    }
  })

/** Every run has begun before anything is measured. */
async function startOurs(stage: Stage, databaseUrl: string) {
  const server = await startRunyard(databaseUrl)
  stage.atEnd(server.stop)
  const client = new Client(server.address)
  await poster(client, BENCH_KEY)('/v1/events', batchOf(0, RUNS))
  await client.close()
  return server
}

type Rounds<T> = { ours: T[]; peer: T[] }

async function inTurns<T>(ours: () => Promise<T>, peer: () => Promise<T>): Promise<Rounds<T>> {
  const rounds: Rounds<T> = { ours: [], peer: [] }
  for (let nth = 1; nth <= ROUNDS; nth++) {
    rounds.ours.push(await ours())
    rounds.peer.push(await peer())
    say(`  round ${nth}: ours ${JSON.stringify(rounds.ours.at(-1))}, peer ${JSON.stringify(rounds.peer.at(-1))}`)
  }
  return rounds
}

const perSeconds = (rounds: readonly { perSecond: number }[]) => rounds.map((it) => it.perSecond)

function tellSingle(connections: number, target: number, { ours, peer }: Rounds<Load>): void {
  const medianOf = (loads: Load[], what: keyof Load, digits = 1) => round(median(loads.map((it) => it[what])), digits)
  const [mine, theirs] = [medianOf(ours, 'perSecond', 0), medianOf(peer, 'perSecond', 0)]
  const ratio = round(mine / theirs, 2)
  const details = {
    ours: { p50: medianOf(ours, 'p50'), p99: medianOf(ours, 'p99'), spread: spread(perSeconds(ours)) },
    peer: { p50: medianOf(peer, 'p50'), p99: medianOf(peer, 'p99'), spread: spread(perSeconds(peer)) },
  }
  report(
    {
      bench: 'ingest single',
      against: 'empty handler',
      ours: mine,
      peer: theirs,
      ratio,
      unit: 'events/s',
      target,
      connections,
      rounds: ROUNDS,
      details,
    },
    `${connections} connections: ${mine} events/s (p99 ${details.ours.p99} ms), an empty handler ${theirs} (p99 ${details.peer.p99} ms): ${ratio} of it, wanted ${target}`,
  )
}

function tellBatches(runsPerBatch: number, { ours, peer }: Rounds<Batches>): void {
  const [mine, theirs] = [round(median(perSeconds(ours))), round(median(perSeconds(peer)))]
  const ratio = round(mine / theirs, 2)
  const details = { spread: { ours: spread(perSeconds(ours)), peer: spread(perSeconds(peer)) } }
  report(
    {
      bench: 'ingest batches',
      against: 'raw inserts',
      ours: mine,
      peer: theirs,
      ratio,
      unit: 'events/s',
      target: BATCH_TARGET,
      runsPerBatch,
      rounds: ROUNDS,
      details,
    },
    `${mine} events/s in batches of ${runsPerBatch} runs over HTTP, raw inserts ${theirs}: ${ratio} of it, wanted ${BATCH_TARGET}`,
  )
}
