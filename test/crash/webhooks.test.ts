// Nodes that die in the middle of deliveries: another one goes on, and nothing is skipped.
import { expect, test } from 'vitest'
import { testDatabase } from '../support/db.ts'
import { callerOf, KEY, until } from '../support/http-yard.ts'
import { type NodeProcess, startNode } from '../support/processes.ts'
import { webhookReceiver } from '../support/servers/receiver.ts'

const nodeProcess = (databaseUrl: string): NodeProcess =>
  startNode('test/support/node-process.ts', [], {
    env: { DATABASE_URL: databaseUrl, PORT: '0', RUNYARD_EGRESS: 'any', RUNYARD_API_KEY: KEY },
  })
const addressOf = async (node: NodeProcess): Promise<string> => (await node.line(/ready at (\S+)/))[1]!

const EVENTS = 600

test('two nodes share the webhooks, and when one is killed the other delivers the rest in order, with no gap', {
  timeout: 120_000,
}, async () => {
  const { url, sql } = await testDatabase()
  const [victim, other] = [nodeProcess(url), nodeProcess(url)]
  const call = callerOf(await addressOf(other))
  await addressOf(victim)
  const receivers = await Promise.all(Array.from({ length: 4 }, webhookReceiver))
  for (const receiver of receivers) {
    receiver.answer((response) => setTimeout(() => response.writeHead(204).end(), 3))
    await call('POST', '/v1/webhooks', { url: receiver.url, types: ['counted'] })
  }
  const owners = await until(
    async () => (await sql`select lease_owner, count(*)::int as n from webhooks group by 1`).map((it) => it.n),
    (counts) => counts.length === 2,
    30_000,
  )
  expect(owners).toEqual([2, 2])
  const sending = (async () => {
    for (let n = 0; n < EVENTS; n += 20) {
      const events = Array.from({ length: 20 }, (_, i) => ({ type: 'counted', data: { n: n + i } }))
      expect((await call('POST', '/v1/events', events)).status).toBe(200)
    }
  })()
  await until(async () => receivers.every(({ received }) => received.length > 100), Boolean, 30_000)
  await victim.kill()
  await sending
  const firsts = (received: (typeof receivers)[number]['received']) => [
    ...new Set(received.map(({ body }) => body.data.data.n)),
  ]
  await until(async () => receivers.every(({ received }) => firsts(received).length === EVENTS), Boolean, 60_000)
  // What was not saved when the node died is sent once more; what is new comes in the order of the log.
  for (const { received } of receivers) {
    expect(firsts(received)).toEqual(Array.from({ length: EVENTS }, (_, n) => n))
    expect(received.length - EVENTS).toBeLessThanOrEqual(110)
  }
})
