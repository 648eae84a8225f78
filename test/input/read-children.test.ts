import { expect, test } from 'vitest'
import { asAttempt, claimOne, workerJob } from '../support/builders/attempts.ts'
import { callerOf, codeOf, httpYard, trigger } from '../support/http-yard.ts'

test('a running attempt reads its run and the children of it, and no other run', async () => {
  const { call, address } = await httpYard()
  for (const slug of ['parent', 'child', 'grandchild', 'other'])
    await call('POST', '/v1/jobs', workerJob(slug, { queue: slug }))
  await trigger(call, 'parent')
  const other = await trigger(call, 'other')
  const parent = await claimOne(call, 'parent')
  const child = (await asAttempt(call, parent, 'spawn', { job: 'child', payload: { n: 1 } })).body
  const claimed = await claimOne(call, 'child')
  const grandchild = (await asAttempt(call, claimed, 'spawn', { job: 'grandchild' })).body
  const settlement = {
    run_id: child.id,
    lease_token: claimed.lease_token,
    outcome: 'completed',
    result: 'x'.repeat(100_000),
  }
  await call('POST', '/v1/workers/settle', { settlements: [settlement] })

  const own = callerOf(address, parent.run_token)
  expect((await own('GET', `/v1/runs/${parent.run.id}`)).status).toBe(200)
  expect(await own('GET', `/v1/runs/${child.id}`)).toMatchObject({
    status: 200,
    body: { id: child.id, status: 'completed', payload: { n: 1 }, result: settlement.result },
  })
  for (const id of [grandchild.id, other.id, crypto.randomUUID()]) {
    expect(codeOf(await own('GET', `/v1/runs/${id}`)), id).toBe('run_not_found')
  }
  // A child does not read its parent either, and nothing but the run itself is open to the parent.
  const grandchildClaimed = await claimOne(call, 'grandchild')
  const asGrandchild = callerOf(address, grandchildClaimed.run_token)
  expect(codeOf(await asGrandchild('GET', `/v1/runs/${child.id}`))).toBe('run_not_found')
  for (const path of ['/events', '/children', '/state', '/checkpoints']) {
    expect(codeOf(await own('GET', `/v1/runs/${child.id}${path}`)), path).toBe('run_not_found')
  }
  expect(codeOf(await own('POST', `/v1/runs/${child.id}/log`, { message: 'x' }))).toBe('run_not_found')
})

test('a running attempt reads no run of another project', async () => {
  const { call, address } = await httpYard()
  const made = await call('POST', '/v1/projects', { id: 'stranger', name: 'Stranger' })
  const stranger = callerOf(address, made.body.key)
  for (const project of [call, stranger]) await project('POST', '/v1/jobs', workerJob('job', { queue: 'job' }))
  const run = await trigger(call, 'job')
  await trigger(stranger, 'job')
  const { run_token } = await claimOne(stranger, 'job')
  expect(codeOf(await callerOf(address, run_token)('GET', `/v1/runs/${run.id}`))).toBe('run_not_found')
})

test('a token for a browser reads its run, and not the children of it', async () => {
  const { call, address } = await httpYard()
  await call('POST', '/v1/jobs', workerJob('job', { queue: 'job' }))
  const run = await trigger(call, 'job')
  const child = (await asAttempt(call, await claimOne(call, 'job'), 'spawn', { job: 'job' })).body
  const { token } = (await call('POST', `/v1/runs/${run.id}/tokens`, {})).body
  const view = callerOf(address, token)
  expect((await view('GET', `/v1/runs/${run.id}`)).status).toBe(200)
  expect(codeOf(await view('GET', `/v1/runs/${child.id}`))).toBe('run_not_found')
})
