import { expect, test } from 'vitest'
import { trigger } from '../../support/http-yard.ts'
import { addWorkerJob, executing } from '../../support/strait-attempts.ts'
import { NOBODY, straitYard } from '../../support/strait-yard.ts'

/** The 28 operations of the page, as its curl lines call them. */
const OPERATIONS = [
  ['GET', '/v1/runs?project_id=default'],
  ['GET', '/v1/runs/dlq?project_id=default'],
  ['POST', '/v1/runs/bulk-cancel', {}],
  ['GET', '/v1/runs/:id'],
  ['DELETE', '/v1/runs/:id'],
  ['POST', '/v1/runs/:id/replay'],
  ['POST', '/v1/runs/:id/dlq-replay'],
  ['POST', '/v1/runs/bulk-dlq-replay', {}],
  ['POST', '/v1/runs/bulk-cancel-all?project_id=default', {}],
  ['POST', '/v1/runs/bulk-replay', { run_ids: ['string'] }],
  ['GET', '/v1/runs/:id/stream'],
  ['GET', '/v1/runs/:id/children'],
  ['GET', '/v1/runs/:id/events'],
  ['GET', '/v1/runs/:id/checkpoints'],
  ['GET', '/v1/runs/:id/usage'],
  ['GET', '/v1/runs/:id/tool-calls'],
  ['GET', '/v1/runs/:id/outputs'],
  ['GET', '/v1/runs/:id/debug-bundle'],
  ['POST', '/v1/runs/:id/debug', {}],
  ['GET', '/v1/runs/:id/lineage'],
  ['GET', '/v1/runs/:id/dependency-status'],
  ['DELETE', '/v1/runs/:id/idempotency-key'],
  ['POST', '/v1/runs/:id/reschedule', { scheduled_at: '2019-08-24T14:15:22Z' }],
  ['POST', '/v1/runs/:id/pause'],
  ['POST', '/v1/runs/:id/resume'],
  ['POST', '/v1/runs/:id/restart', {}],
  ['GET', '/v1/runs/:id/stream/chunks'],
  ['GET', '/v1/runs/:id/state'],
] as const

test('each of the 28 operations exists, is in the OpenAPI document, and sees nothing of another project', async () => {
  const { call, native, stranger } = await straitYard()
  await addWorkerJob(native, 'j')
  const attempt = await executing(native, call, 'j')
  await attempt.sdk('POST', '/complete')
  const { paths } = (await native('GET', '/strait/openapi.json')).body
  for (const [method, path, body] of OPERATIONS) {
    const [plain] = path.split('?')
    expect(paths[plain!.replace(':id', '{run_id}')], path).toHaveProperty(method.toLowerCase())
    const own = await call(method, path.replace(':id', attempt.runId), body)
    expect(own.status, `${method} ${path}`).not.toBe(405)
    expect(own.status, `${method} ${path}`).toBeLessThan(500)
    expect(own.headers.get('x-request-id')).toBeTruthy()
    if (!path.includes(':id')) continue
    const notMine = await stranger(method, path.replace(':id', attempt.runId), body)
    expect([notMine.status, notMine.body.code], `${method} ${path}`).toEqual([404, 'not_found'])
    const nobodys = await call(method, path.replace(':id', NOBODY), body)
    expect(nobodys.body.error, `${method} ${path}`).toBe(notMine.body.error)
    expect((await call(method, path.replace(':id', attempt.runId), body, { key: '' })).status).toBe(401)
  }
})

test("the OpenAPI document describes Strait's API and its errors as they are", async () => {
  const { native } = await straitYard()
  const document = (await native('GET', '/strait/openapi.json')).body
  expect(document.info.title).toBe('Strait on Runyard')
  expect(document.servers).toMatchObject([{ url: '/strait' }])
  expect(Object.keys(document.components.schemas.ErrorResponse.properties)).toEqual([
    'error',
    'code',
    'details',
    'request_id',
  ])
  expect(document.components.schemas.JobRun.required).toContain('lineage_depth')
  const { responses } = document.paths['/v1/runs/{run_id}/reschedule'].post
  expect(Object.keys(responses)).toContain('400')
  expect(Object.keys(responses)).not.toContain('422')
  const operations = Object.values(document.paths as Record<string, Record<string, { operationId: string }>>).flatMap(
    (path) => Object.values(path),
  )
  expect(new Set(operations.map((it) => it.operationId)).size).toBe(operations.length)
})

test('a read-only key changes nothing, and is told which scope it lacks', async () => {
  const { call, native, withKey } = await straitYard()
  await addWorkerJob(native, 'j')
  const run = await trigger(native, 'j')
  const made = await native('POST', '/v1/keys', { name: 'reader', scopes: ['runs:read'] })
  const reader = withKey(made.body.key)
  for (const [method, path, body] of OPERATIONS) {
    if (path.includes('/stream')) continue
    const reply = await reader(method, path.replace(':id', run.id), body)
    if (method === 'GET') expect(reply.status, path).toBe(200)
    else expect([reply.status, reply.body.error], path).toEqual([403, 'insufficient permissions: requires runs:write'])
  }
  expect((await call('GET', `/v1/runs/${run.id}`)).body.status).toBe('queued')
})
