// Chains as VirtuousAI's reads show them: what is caused belongs to the chain of its cause.
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { vaiYard } from '../../support/vai-yard.ts'

test('an event that names its cause belongs to the chain of its cause, alone and in a batch', async () => {
  const { call, get, report } = await vaiYard()
  const thing = { resource_type: 'document' }
  const root = await report({ ...thing, type: 'a.root', correlation_id: 'chain-1' })
  const child = await report({ ...thing, type: 'a.child', causation_id: root })
  const [third, fourth] = [randomUUID(), randomUUID()]
  await call('POST', '/v1/events', [
    { ...thing, type: 'a.third', id: third, causation_id: child },
    { ...thing, type: 'a.fourth', id: fourth, causation_id: third.toUpperCase() },
  ])
  const own = await report({ ...thing, type: 'a.own', causation_id: root, correlation_id: 'chain-2' })
  const unknown = await report({ ...thing, type: 'a.unknown', causation_id: randomUUID() })
  const { events } = (await get('/correlation/chain-1')).body
  expect(events.map((it: { id: string }) => it.id)).toEqual([root, child, third, fourth])
  expect((await get(`/${own}`)).body.correlationId).toBe('chain-2')
  expect((await get(`/${unknown}`)).body.correlationId).toBe(unknown)
})

test('a cause in another project is ignored', async () => {
  const { get, report, call, strangerKey } = await vaiYard()
  const theirs = (await call('POST', '/v1/events', { type: 'a.root', correlation_id: 'chain-1' }, { key: strangerKey }))
    .body.id
  const mine = await report({ type: 'a.child', resource_type: 'document', causation_id: theirs })
  expect((await get(`/${mine}`)).body.correlationId).toBe(mine)
})

test('the records of a run are artifacts in its chain, each with its own id', async () => {
  const { call, get } = await vaiYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const run = (await call('POST', '/v1/jobs/j/runs', {})).body
  const { body } = await call('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 5 })
  const key = body.runs[0].run_token
  const write = (path: string, sent: object) => call('POST', `/v1/runs/${run.id}${path}`, sent, { key })
  const checkpoint = (await write('/checkpoint', { state: { at: 1 } })).body
  const output = (await write('/output', { output_key: 'report', value: 'text' })).body
  await write('/output', { output_key: 'report', value: 'better' })
  const { events } = (await get('?resource_type=artifact')).body
  expect(events.map((it: { eventType: string; resourceId: string }) => [it.eventType, it.resourceId])).toEqual([
    ['output.written', output.id],
    ['output.written', output.id],
    ['checkpoint.saved', checkpoint.id],
  ])
  expect((await get(`/resource/artifact/${output.id}`)).body.total).toBe(2)
  const types = (await get(`/correlation/${run.correlation_id}`)).body.events.map(
    (it: { eventType: string }) => it.eventType,
  )
  expect(types).toEqual(expect.arrayContaining(['run.created', 'run.started', 'checkpoint.saved', 'output.written']))
})
