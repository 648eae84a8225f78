import { expect, test } from 'vitest'
import { asAttempt, claimOne, workerJob } from '../../support/builders/attempts.ts'
import { codeOf, httpYard, trigger } from '../../support/http-yard.ts'

test('a token for a browser reads its run and what belongs to it, and nothing else', async () => {
  const { call, address } = await httpYard()
  await call('POST', '/v1/jobs', workerJob('j'))
  const run = await trigger(call, 'j', { payload: 1 })
  const other = await trigger(call, 'j')
  const it = await claimOne(call)
  await asAttempt(call, it, 'state', { key: 'k', value: 2 })
  const made = await call('POST', `/v1/runs/${run.id}/tokens`, { expires_in_secs: 60 })
  expect(made).toMatchObject({ status: 201, body: { run_id: run.id, expires_at: expect.any(String) } })
  const view = { key: made.body.token }
  for (const path of ['', '/events', '/children', '/state', '/state/k', '/input-requests'])
    expect((await call('GET', `/v1/runs/${run.id}${path}`, undefined, view)).status, path).toBe(200)
  const stream = await fetch(`${address}/v1/runs/${run.id}/stream`, {
    headers: { authorization: `Bearer ${view.key}` },
  })
  expect(stream.status).toBe(200)
  await stream.body!.cancel()
  expect(codeOf(await call('GET', `/v1/runs/${other.id}`, undefined, view))).toBe('run_not_found')
  for (const [method, path, body] of [
    ['GET', '/v1/runs', undefined],
    ['GET', '/v1/events', undefined],
    ['DELETE', `/v1/runs/${run.id}`, undefined],
    ['POST', `/v1/runs/${run.id}/log`, { message: 'x' }],
    ['POST', `/v1/runs/${run.id}/tokens`, {}],
    ['POST', '/v1/jobs/j/runs', {}],
  ] as const)
    expect(codeOf(await call(method, path, body, view)), `${method} ${path}`).toBe('wrong_credential')
  expect(codeOf(await call('POST', '/v1/runs/nothing/tokens', {}))).toBe('run_not_found')
  expect(codeOf(await call('POST', `/v1/runs/${run.id}/tokens`, { expires_in_secs: 3601 }))).toBe('invalid')
})

test('a token for a browser ends with its time, and so does a stream that was opened with it', async () => {
  const { call, address } = await httpYard()
  await call('POST', '/v1/jobs', workerJob('j'))
  const run = await trigger(call, 'j')
  const { token } = (await call('POST', `/v1/runs/${run.id}/tokens`, { expires_in_secs: 10 })).body
  const stream = await fetch(`${address}/v1/runs/${run.id}/stream`, { headers: { authorization: `Bearer ${token}` } })
  expect(stream.status).toBe(200)
  const beganMs = performance.now()
  await stream.text().catch(() => {})
  const tookMs = performance.now() - beganMs
  expect(tookMs).toBeGreaterThan(8_000)
  expect(tookMs).toBeLessThan(12_000)
  expect((await call('GET', `/v1/runs/${run.id}`, undefined, { key: token })).status).toBe(401)
})

test('a token for a browser reads an external run whose own id is a UUID in upper case', async () => {
  const { call } = await httpYard()
  const id = '0198C0DE-0000-7000-8000-00000000ABCD'
  await call('POST', '/v1/events', { type: 'step', run_id: id })
  const { token } = (await call('POST', `/v1/runs/${id}/tokens`, { expires_in_secs: 60 })).body
  expect(await call('GET', `/v1/runs/${id}`, undefined, { key: token })).toMatchObject({ status: 200, body: { id } })
  expect(codeOf(await call('GET', `/v1/runs/${id.toLowerCase()}`, undefined, { key: token }))).toBe('run_not_found')
})
