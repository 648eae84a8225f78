import { expect, test } from 'vitest'
import { asAttempt, claimOne, workerJob } from '../support/builders/attempts.ts'
import { testDatabase } from '../support/db.ts'
import { callerOf, KEY, trigger } from '../support/http-yard.ts'
import { type NodeProcess, startNode } from '../support/processes.ts'

const nodeProcess = (databaseUrl: string): NodeProcess =>
  startNode('test/support/node-process.ts', [], {
    env: { DATABASE_URL: databaseUrl, PORT: '0', RUNYARD_EGRESS: 'any', RUNYARD_API_KEY: KEY },
  })
const addressOf = async (node: NodeProcess): Promise<string> => (await node.line(/ready at (\S+)/))[1]!

test('what runs wait for survives the kill of their node: sleeps, early events, approvals', {
  timeout: 120_000,
}, async () => {
  const { url } = await testDatabase()
  const victim = nodeProcess(url)
  const call = callerOf(await addressOf(victim))
  await call('PUT', '/v1/agents/j/policy', { policy: { approval_tools: ['pay'] } })
  await call('POST', '/v1/jobs', workerJob('j'))
  const runs = new Map<string, Awaited<ReturnType<typeof claimOne>>>()
  for (const name of ['sleep', 'event', 'call', 'later']) {
    await trigger(call, 'j')
    runs.set(name, await claimOne(call))
  }
  const of = (name: string) => runs.get(name)!
  const sleep = { key: 'nap', sleep_secs: 2 }
  const event = { key: 'paid', for: [{ event_key: 'a' }, { event_key: 'b' }] }
  const pay = { tool: 'pay', args: { n: 1 }, key: 'pay', wait: true, editable_params: ['n'] }
  await asAttempt(call, of('sleep'), 'waits', sleep)
  await asAttempt(call, of('event'), 'waits', event)
  await call('POST', '/v1/events/a/send', { payload: 'half' })
  await asAttempt(call, of('call'), 'authorize', pay)
  await call('POST', '/v1/events/early/send', { payload: 'kept' })
  await victim.kill()
  const other = nodeProcess(url)
  const again = callerOf(await addressOf(other))
  const early = await asAttempt(again, of('later'), 'waits', { key: 'k', for: [{ event_key: 'early' }] })
  expect(early.body).toMatchObject({ status: 'done', items: [{ payload: 'kept' }] })
  const slept = await claimOne(again)
  expect([slept.run.id, slept.run.attempt]).toEqual([of('sleep').run.id, 1])
  expect((await asAttempt(again, slept, 'waits', sleep)).body.status).toBe('done')
  await again('POST', '/v1/events/b/send', { payload: 'whole' })
  const received = await claimOne(again)
  expect((await asAttempt(again, received, 'waits', event)).body.items).toMatchObject([
    { payload: 'half' },
    { payload: 'whole' },
  ])
  const [pending] = (await again('GET', '/v1/input-requests?status=pending')).body.data
  await again('POST', `/v1/input-requests/${pending.id}/answer`, { approved: true, params: { n: 2 } })
  const approved = await claimOne(again)
  expect((await asAttempt(again, approved, 'authorize', pay)).body).toMatchObject({
    decision: 'allowed',
    params: { n: 2 },
  })
})
