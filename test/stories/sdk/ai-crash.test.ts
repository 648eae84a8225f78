// Workers that are killed around a governed call, which is made once all the same.
import { type ChildProcess, fork } from 'node:child_process'
import { expect, onTestFinished, test, vi } from 'vitest'
import { KEY, until } from '../../support/http-yard.ts'
import { jobYard } from './job-yard.ts'

// Each test starts two processes, and waits until the lease of the first has ended.
vi.setConfig({ testTimeout: 120_000 })

type Said = { ready?: true; hangs?: true; refunded?: number; idempotencyKey?: string }

/** A run whose call was approved, and whose first worker was killed where `hang` says. */
async function killedAt(hang: string, once = 'no') {
  const { client, address } = await jobYard()
  await client.setPolicy({
    agent_id: 'support',
    mode: 'enforce',
    policy: { approval_tools: ['refund'] } as Parameters<typeof client.setPolicy>[0]['policy'],
  })
  const said: Said[] = []
  const start = (more: NodeJS.ProcessEnv): ChildProcess => {
    const child = fork(`${import.meta.dirname}/refund-worker.ts`, {
      env: { ...process.env, URL: address, KEY, ...more },
    })
    child.on('message', (message: Said) => said.push(message))
    onTestFinished(() => void child.kill('SIGKILL'))
    return child
  }
  const heard = (wanted: (it: Said) => boolean) =>
    until(
      async () => said,
      (all) => all.some(wanted),
      20_000,
    )
  const first = start({ HANG: hang, ONCE: once })
  await heard(({ ready }) => ready === true)
  const { id } = await client.triggerRun({ job: 'refund', payload: null, agent_id: 'support' })
  const { data } = await until(
    () => client.listInputs({ status: 'pending' }),
    (page) => page.data.length > 0,
  )
  await client.answerInput({ input_request_id: data[0]!.id, approved: true, params: { amount: 100 } })
  await heard(({ hangs }) => hangs === true)
  first.kill('SIGKILL')
  start({ ONCE: once })
  const run = await until(
    () => client.getRun({ run_id: id }),
    ({ finished_at }) => finished_at !== null,
    30_000,
  )
  const refunds = said.filter(({ refunded }) => refunded !== undefined)
  const { data: calls } = await client.listAgentLog({ agent_id: 'support' })
  return { run, refunds, calls }
}

test('a worker that is killed between approval and execution leaves the call to the next one', async () => {
  const { run, refunds, calls } = await killedAt('before the call')
  expect(run).toMatchObject({ status: 'completed', attempt: 2, result: 100 })
  expect(refunds).toMatchObject([{ refunded: 100 }])
  expect(calls).toMatchObject([{ state: 'settled', outcome: 'succeeded' }])
})

test('a worker that is killed after the result was kept leaves only the settling to the next one', async () => {
  const { run, refunds, calls } = await killedAt('before settling')
  expect(run).toMatchObject({ status: 'completed', attempt: 2, result: 100 })
  expect(refunds).toMatchObject([{ refunded: 100 }])
  expect(calls).toMatchObject([{ state: 'settled', outcome: 'succeeded' }])
})

test('a call that was under way is made again with the same idempotency key', async () => {
  const { run, refunds } = await killedAt('after the effect')
  expect(run).toMatchObject({ status: 'completed', result: 100 })
  expect(refunds).toHaveLength(2)
  expect(new Set(refunds.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(1)
})

test('a call that may be made at most once is not made again, and its run is told', async () => {
  const { run, refunds, calls } = await killedAt('after the effect', 'yes')
  expect(refunds).toHaveLength(1)
  expect(run).toMatchObject({ status: 'failed', error_code: 'tool_failed' })
  expect(run.error).toContain('It is not made again')
  expect(calls).toMatchObject([{ state: 'settled', outcome: 'failed' }])
})
