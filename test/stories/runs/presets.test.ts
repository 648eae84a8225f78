import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { type Call, codeOf, httpYard, trigger, untilState } from '../../support/http-yard.ts'
import { httpServer } from '../../support/local-servers.ts'
import { expectTrueStories } from '../../support/story.ts'

async function claim(call: Call, queue: string) {
  const { runs } = (await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: [queue], wait_secs: 10 })).body
  expect(runs).toHaveLength(1)
  return runs[0]
}

test('the machine presets exist, smallest first; a project can replace one and add its own', async () => {
  const { call } = await httpYard()
  const names = async () => (await call('GET', '/v1/presets')).body.data.map((it: { name: string }) => it.name)
  const machines = ['micro', 'small-1x', 'small-2x', 'medium-1x', 'medium-2x', 'large-1x', 'large-2x']
  expect(await names()).toEqual(machines)
  expect((await call('GET', '/v1/presets/micro')).body).toMatchObject({
    queue: 'micro',
    built_in: true,
    updated_at: null,
  })
  const own = { queue: 'gpu', timeout_secs: 900, max_attempts: 5, environment: { MODEL: 'large' } }
  expect(await call('PUT', '/v1/presets/gpu', own)).toMatchObject({
    status: 200,
    body: { ...own, name: 'gpu', built_in: false },
  })
  await call('PUT', '/v1/presets/micro', { queue: 'tiny' })
  expect(await names()).toEqual([...machines.slice(1), 'gpu', 'micro'])
  expect((await call('DELETE', '/v1/presets/micro')).status).toBe(204)
  expect((await call('GET', '/v1/presets/micro')).body.queue).toBe('micro')
  expect(codeOf(await call('DELETE', '/v1/presets/micro'))).toBe('preset_not_found')
  expect(codeOf(await call('GET', '/v1/presets/none'))).toBe('preset_not_found')
  for (const bad of [{ timeout_secs: 0 }, { queue: 'no spaces' }, { environment: { A: 1 } }, { cpu: 3 }])
    expect(codeOf(await call('PUT', '/v1/presets/bad', bad)), JSON.stringify(bad)).toBe('invalid')
  const stranger = { key: (await call('POST', '/v1/projects', { id: 'other', name: 'Other' })).body.key }
  expect((await call('GET', '/v1/presets/gpu', undefined, stranger)).status).toBe(404)
  const events = (await call('GET', '/v1/events?resource_type=preset&order=asc')).body.data
  expect(events.map((it: { type: string }) => it.type)).toEqual(['preset.set', 'preset.set', 'preset.deleted'])
})

test('a run triggered with a preset waits in its queue, with its timeouts and its values', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker', queue: 'ordinary' })
  await call('PUT', '/v1/presets/gpu', { queue: 'gpu', timeout_secs: 900, environment: { MODEL: 'large' } })
  const run = await trigger(call, 'j', { preset: 'gpu', max_attempts: 7 })
  expect(run).toMatchObject({
    preset: 'gpu',
    queue: 'gpu',
    timeout_secs: 900,
    max_attempts: 7,
    environment: { MODEL: 'large' },
  })
  expect(await claim(call, 'gpu')).toMatchObject({
    run: { id: run.id },
    preset: 'gpu',
    environment: { MODEL: 'large' },
  })
  const refused = await call('POST', '/v1/jobs/j/runs', { preset: 'none' })
  expect([refused.status, codeOf(refused)]).toEqual([404, 'preset_not_found'])
})

test('a restart takes an executing run from its executor and starts again, with the settings of a preset', async () => {
  const { call, url } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker', queue: 'ordinary' })
  const run = await trigger(call, 'j')
  const first = await claim(call, 'ordinary')
  const token = { key: first.run_token }
  await call('POST', `/v1/runs/${run.id}/checkpoint`, { state: { step: 1 } }, token)
  const restarted = await call('POST', `/v1/runs/${run.id}/restart`, { preset: 'large-1x' })
  expect(restarted).toMatchObject({
    status: 200,
    body: { status: 'queued', queue: 'large-1x', preset: 'large-1x', attempt: 1 },
  })
  expect((await call('POST', `/v1/runs/${run.id}/checkpoint`, { state: 'late' }, token)).status).toBe(409)
  const again = await claim(call, 'large-1x')
  // Begun anew: the old checkpoint is kept, and not handed out.
  expect(again).toMatchObject({ run: { id: run.id }, checkpoint: null, environment: { MEMORY_LIMIT_MB: '16384' } })
  await call('POST', `/v1/runs/${run.id}/checkpoint`, { state: { step: 9 } }, { key: again.run_token })
  expect(
    (await call('GET', `/v1/runs/${run.id}/checkpoints`)).body.data.map((it: { number: number }) => it.number),
  ).toEqual([2, 1])
  await call('POST', `/v1/runs/${run.id}/pause`)
  const lease = { run_id: run.id, lease_token: again.lease_token }
  await call('POST', '/v1/workers/settle', { settlements: [{ ...lease, outcome: 'paused' }] })
  await call('POST', `/v1/runs/${run.id}/resume`)
  expect((await claim(call, 'large-1x')).checkpoint).toMatchObject({ number: 2, state: { step: 9 } })
  const sql = connect(url, { max: 1 })
  await expectTrueStories(sql)
  const counts = await sql`select queue, state, sum(n)::int as n from run_counts group by 1, 2 having sum(n) <> 0`
  expect([...counts]).toEqual([{ queue: 'large-1x', state: 'executing', n: 1 }])
  await sql.end()
})

test('a refused restart changes nothing', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker', queue: 'ordinary' })
  const run = await trigger(call, 'j')
  const queued = await call('POST', `/v1/runs/${run.id}/restart`, { preset: 'micro' })
  expect([queued.status, codeOf(queued)]).toEqual([409, 'wrong_state'])
  await claim(call, 'ordinary')
  expect(codeOf(await call('POST', `/v1/runs/${run.id}/restart`, { preset: 'none' }))).toBe('preset_not_found')
  expect(codeOf(await call('POST', `/v1/runs/${run.id}/restart`, { preset: 3 }))).toBe('invalid')
  expect((await call('GET', `/v1/runs/${run.id}`)).body).toMatchObject({
    status: 'executing',
    queue: 'ordinary',
    preset: null,
  })
  await call('DELETE', `/v1/runs/${run.id}`)
  expect(codeOf(await call('POST', `/v1/runs/${run.id}/restart`))).toBe('run_over')
})

test('a restart aborts a request in flight, and the handler is called again with the preset', async () => {
  const { call } = await httpYard()
  const seen: { headers: Record<string, string>; closed: boolean }[] = []
  const { url } = await httpServer((request, response) => {
    const one = { headers: request.headers as Record<string, string>, closed: false }
    seen.push(one)
    response.on('close', () => {
      one.closed = !response.writableFinished
    })
    if (seen.length > 1) response.writeHead(200).end()
  })
  await call('POST', '/v1/jobs', { slug: 'h', execution: 'http', endpoint_url: url })
  await call('PUT', '/v1/presets/careful', { queue: 'unused', environment: { MODE: 'careful — slow' } })
  const run = await trigger(call, 'h')
  await untilState(call, run.id, ['executing'])
  await expect.poll(() => seen.length).toBe(1)
  await call('POST', `/v1/runs/${run.id}/restart`, { preset: 'careful' })
  await untilState(call, run.id, ['completed'])
  expect(seen[0]!.closed).toBe(true)
  expect(seen[1]!.headers['x-preset']).toBe('careful')
  expect(JSON.parse(seen[1]!.headers['x-environment']!)).toEqual({ MODE: 'careful — slow' })
  expect(seen[1]!.headers['x-attempt']).toBe('1')
})

test('the executor is notified of a pause; without a response within the grace period the run is paused, and its request aborted', async () => {
  const { call } = await httpYard()
  const seen: { closed: boolean; token: string }[] = []
  const { url } = await httpServer((request, response) => {
    const one = { closed: false, token: String(request.headers['x-run-token']) }
    seen.push(one)
    response.on('close', () => {
      one.closed = !response.writableFinished
    })
  })
  await call('POST', '/v1/jobs', { slug: 'h', execution: 'http', endpoint_url: url, pause_grace_secs: 1 })
  const run = await trigger(call, 'h')
  await untilState(call, run.id, ['executing'])
  await expect.poll(() => seen.length).toBe(1)
  await call('POST', `/v1/runs/${run.id}/checkpoint`, { state: { page: 2 } }, { key: seen[0]!.token })
  await call('POST', `/v1/runs/${run.id}/pause`)
  await untilState(call, run.id, ['paused'])
  await expect.poll(() => seen[0]!.closed, { timeout: 5_000 }).toBe(true)
  expect((await call('POST', `/v1/runs/${run.id}/log`, { message: 'late' }, { key: seen[0]!.token })).status).toBe(409)
})
