// What webhooks cost those who write: the CPU of an append while nobody listens, and while 20 webhooks are carried by
// another node, at the same pace and in turns.
import { fileURLToPath } from 'node:url'
import { Client } from 'undici'
import { connect } from '../../src/postgres/sql.ts'
import { type Post, poster } from '../lib/call.ts'
import { runScript, startServer } from '../lib/child.ts'
import { median, round, spread } from '../lib/numbers.ts'
import { report, say } from '../lib/report.ts'
import { BENCH_KEY, startRunyard } from '../lib/runyard.ts'
import { onStage } from '../lib/stage.ts'
import type { WriterEntry, Written } from './writer.ts'

const ROUNDS = 3
const WEBHOOKS = 20
const TURN = { perSecond: 2_000, warmUpMs: 2_000, measureMs: 8_000, wantedType: 'step.wanted' }
const TURN_MS_MAX = 60_000
/** Writers may become so much slower: 5 %. */
const TARGET = 0.95

const path = (name: string) => fileURLToPath(new URL(`${name}.ts`, import.meta.url))

export const webhooksBench = (): Promise<void> =>
  onStage(async (stage) => {
    const url = await stage.freshDatabase()
    const node = await startRunyard(url)
    stage.atEnd(node.stop)
    const receiver = await startServer(process.execPath, [path('../lib/empty')], { ready: /ready at (http:\S+)/ })
    stage.atEnd(receiver.stop)
    const client = new Client(node.address)
    stage.atEnd(() => client.close())
    const post = poster(client, BENCH_KEY)
    const ids: string[] = []
    for (let nth = 0; nth < WEBHOOKS; nth++) {
      const body = { url: `${receiver.address}/${nth}`, types: [TURN.wantedType] }
      ids.push((await post<{ id: string }>('/v1/webhooks', body)).id)
    }
    const write = () => runScript<Written>(path('./writer'), { url, ...TURN } satisfies WriterEntry, TURN_MS_MAX)
    const [alone, carried]: [Written[], Written[]] = [[], []]
    for (let nth = 1; nth <= ROUNDS; nth++) {
      await each(post, ids, 'pause')
      alone.push(await write())
      await each(post, ids, 'resume')
      carried.push(await write())
      say(`  round ${nth}: without ${words(alone.at(-1)!)}, with ${WEBHOOKS} ${words(carried.at(-1)!)}`)
    }
    tell(alone, carried, await countDelivered(url))
  })

const each = async (post: Post, ids: readonly string[], what: 'pause' | 'resume') => {
  for (const id of ids) await post(`/v1/webhooks/${id}/${what}`, {})
}

/** Nothing delivered would cost nothing. */
async function countDelivered(url: string): Promise<number> {
  const sql = connect(url, { max: 1, name: 'runyard-bench-count' })
  const [row] = await sql<
    { n: number }[]
  >`select count(*)::int as n from webhook_deliveries where outcome = 'delivered'`
  await sql.end({ timeout: 1 })
  if (row!.n === 0) throw new Error('no webhook delivered anything')
  return row!.n
}

const costOf = ({ postgresUs, nodeUs }: Written) => postgresUs + nodeUs
const words = (it: Written) =>
  `${round(it.postgresUs, 1)} + ${round(it.nodeUs, 1)} µs at ${round(it.perSecond)} events/s`

function tell(alone: readonly Written[], carried: readonly Written[], delivered: number): void {
  const [peer, ours] = [alone, carried].map((rounds) => round(median(rounds.map(costOf)), 1)) as [number, number]
  const ratio = round(peer / ours, 2)
  const details = {
    pace: round(median([...alone, ...carried].map(({ perSecond }) => perSecond))),
    delivered,
    spread: { ours: spread(carried.map(costOf)), peer: spread(alone.map(costOf)) },
  }
  report(
    {
      bench: 'webhooks',
      against: 'no webhooks',
      ours,
      peer,
      ratio,
      unit: 'µs of CPU an appended event',
      target: TARGET,
      webhooks: WEBHOOKS,
      rounds: ROUNDS,
      details,
    },
    `an appended event takes ${ours} µs of CPU with ${WEBHOOKS} webhooks (${delivered} deliveries), ${peer} without: ${ratio}, wanted ${TARGET}`,
  )
}
