// What clients of Strait do that its page does not show: they leave out the project, send zeros for what they do not
// mean, page by the time of the last row, and read lists to their end without knowing our cursors.
import { describe, expect, test } from 'vitest'
import type { Call } from '../../support/http-yard.ts'
import { addWorkerJob, executing, settle } from '../../support/strait-attempts.ts'
import { straitYard } from '../../support/strait-yard.ts'

type Row = { id: string; created_at: string }

/** All rows of a list, read as a client does that goes on from the time of the last one. */
async function pagedByTime(call: Call, path: string, limit: number, pagesMax = 100): Promise<Row[]> {
  const rows: Row[] = []
  for (let pages = 0; pages < pagesMax; pages++) {
    const cursor = rows.length === 0 ? '' : `&cursor=${encodeURIComponent(rows.at(-1)!.created_at)}`
    const { status, body } = await call('GET', `${path}?limit=${limit}${cursor}`)
    expect(status, JSON.stringify(body)).toBe(200)
    if (body.length === 0) return rows
    rows.push(...body)
  }
  throw new Error(`${path} does not end within ${pagesMax} pages`)
}

const idsOf = (rows: readonly Row[]): string[] => rows.map((row) => row.id)

async function batchOf(native: Call, count: number): Promise<string[]> {
  const { body } = await native('POST', '/v1/jobs/j/runs/batch', { items: Array.from({ length: count }, () => ({})) })
  return body.results.map((it: { run: { id: string } }) => it.run.id)
}

describe('the created_at of the last row as a cursor', () => {
  test('no run of a batch written at once is lost between pages, each as long as requested', async () => {
    const { call, native } = await straitYard()
    await addWorkerJob(native, 'j')
    const ids = await batchOf(native, 250)
    const { body } = await call('GET', '/v1/runs?limit=100')
    expect(body).toHaveLength(100)
    expect(idsOf(await pagedByTime(call, '/v1/runs', 50)).toSorted()).toEqual(ids.toSorted())
    const times = (await pagedByTime(call, '/v1/runs', 100)).map((run) => run.created_at)
    expect(new Set(times).size).toBe(250)
  })

  test('no run of batches written at the same time is lost between pages', async () => {
    const { call, native } = await straitYard()
    await addWorkerJob(native, 'j')
    const ids = (await Promise.all(Array.from({ length: 6 }, () => batchOf(native, 60)))).flat()
    expect(idsOf(await pagedByTime(call, '/v1/runs', 7)).toSorted()).toEqual(ids.toSorted())
  })

  test('no child is lost between pages, oldest first, even for a client with millisecond precision', async () => {
    const { call, native } = await straitYard()
    await addWorkerJob(native, 'j')
    const parent = await executing(native, call, 'j')
    for (let n = 0; n < 12; n++) await parent.sdk('POST', '/spawn', { job_slug: 'j' })
    const path = `/v1/runs/${parent.runId}/children`
    const all = (await call('GET', path)).body as Row[]
    expect(idsOf(await pagedByTime(call, path, 5))).toEqual(idsOf(all))
    const coarse = new Date(all[4]!.created_at).toISOString()
    const rest = (await call('GET', `${path}?cursor=${coarse}`)).body
    expect(idsOf(rest)).toEqual(idsOf(all.filter((run) => Date.parse(run.created_at) > Date.parse(coarse))))
  })

  test('no record that a run wrote within one millisecond is lost between pages', async () => {
    const { call, native } = await straitYard()
    await addWorkerJob(native, 'j')
    const { sdk, runId } = await executing(native, call, 'j')
    await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        await sdk('POST', '/log', { message: `line ${n}` })
        await sdk('POST', '/tool-call', { tool_name: `tool ${n}` })
        await sdk('POST', '/usage', { provider: 'p', model: 'm', prompt_tokens: n })
        await sdk('POST', '/checkpoint', { state: n })
      }),
    )
    for (const list of ['events', 'tool-calls', 'usage', 'checkpoints']) {
      const path = `/v1/runs/${runId}/${list}`
      const all = (await call('GET', path)).body as Row[]
      expect(all.length, list).toBeGreaterThanOrEqual(40)
      for (const limit of [1, 7]) expect(idsOf(await pagedByTime(call, path, limit, 400)), list).toEqual(idsOf(all))
    }
  })

  test('no job, key or batch created at the same time is lost between pages', async () => {
    const { call, native } = await straitYard()
    await addWorkerJob(native, 'j')
    await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        await addWorkerJob(native, `job-${n}`)
        await call('POST', '/v1/api-keys', { name: `key ${n}`, scopes: ['jobs:read'] })
        await call('POST', '/v1/jobs/j/trigger/bulk', { items: [{}] })
      }),
    )
    for (const path of ['/v1/jobs', '/v1/api-keys', '/v1/batch-operations']) {
      const all = (await call('GET', `${path}?limit=100`)).body as Row[]
      expect(all.length, path).toBeGreaterThanOrEqual(20)
      expect(idsOf(await pagedByTime(call, path, 3)), path).toEqual(idsOf(all))
    }
  })
})

describe('a list under a run', () => {
  test('a list under a run is whole without limit and cursor, and has pages with either', async () => {
    const { call, native } = await straitYard()
    await addWorkerJob(native, 'j')
    const { sdk, runId } = await executing(native, call, 'j')
    await Promise.all(
      Array.from({ length: 120 }, async (_, n) => {
        await sdk('POST', '/log', { message: `line ${n}` })
        await sdk('POST', '/tool-call', { tool_name: 't' })
        await sdk('POST', '/usage', { provider: 'p', model: 'm' })
        await sdk('POST', '/checkpoint', { state: n })
        await sdk('POST', '/output', { output_key: `k${n}`, value: n })
        await sdk('POST', '/state', { key: `k${n}`, value: n })
        await sdk('POST', '/spawn', { job_slug: 'j' })
      }),
    )
    for (const list of ['events', 'tool-calls', 'usage', 'checkpoints', 'outputs', 'state', 'children']) {
      const path = `/v1/runs/${runId}/${list}`
      const whole = await call('GET', list === 'events' ? `${path}?type=log` : path)
      expect([whole.status, whole.body.length], list).toEqual([200, 120])
      expect(whole.headers.get('x-next-cursor'), list).toBeNull()
      const page = await call('GET', `${path}?limit=1000`)
      expect(page.body, list).toHaveLength(100)
      const next = await call('GET', `${path}?cursor=${page.headers.get('x-next-cursor')}`)
      expect(next.body.length, list).toBeGreaterThanOrEqual(20)
    }
    expect((await sdk('GET', '/state')).body).toHaveLength(120)
  })

  test('the list of continuations is whole, too', async () => {
    const { call, native } = await straitYard()
    await addWorkerJob(native, 'j')
    const first = await executing(native, call, 'j')
    await first.sdk('POST', '/continue', {})
    expect((await call('GET', `/v1/runs/${first.runId}/lineage`)).body).toHaveLength(2)
    expect((await call('GET', `/v1/runs/${first.runId}/lineage?limit=1`)).body).toHaveLength(1)
  })
})

describe('zeros and empty strings mean not given', () => {
  test('bulk-cancel-all takes the project of the key, and ignores empty filters', async () => {
    const { call, native, stranger } = await straitYard()
    const jobId = await addWorkerJob(native, 'j')
    await batchOf(native, 3)
    const none = { job_id: '', batch_id: '', triggered_by: '', status: '' }
    const all = (body: object, more = '') => call('POST', `/v1/runs/bulk-cancel-all${more}`, body)
    expect((await all(none)).body).toMatchObject({ error: 'at least one filter is required' })
    expect((await stranger('POST', '/v1/runs/bulk-cancel-all', { status: 'queued' })).body).toMatchObject({ total: 0 })
    for (const wrong of [
      { status: 'queued', agent: 'a' },
      { status: 'queued', batch_id: 'x' },
    ])
      expect((await all(wrong)).body).toMatchObject({ code: 'validation_error' })
    expect((await all({ status: 'queued' }, '?job_id=elsewhere')).body).toMatchObject({ code: 'validation_error' })
    expect((await all({ ...none, job_id: jobId })).body).toMatchObject({ total: 3, canceled: 3 })
  })

  test('bulk-dlq-replay accepts ids with an empty project and a limit of 0, and a project with no ids', async () => {
    const { call, native } = await straitYard()
    await addWorkerJob(native, 'j')
    const dead = async () => {
      const attempt = await executing(native, call, 'j')
      await settle(native, attempt, { outcome: 'failed', error: 'no luck' })
      return attempt.runId
    }
    const first = await dead()
    const named = await call('POST', '/v1/runs/bulk-dlq-replay', { run_ids: [first], project_id: '', limit: 0 })
    expect([named.status, named.body.count, named.body.replayed?.[0].id]).toEqual([200, 1, first])
    await call('DELETE', `/v1/runs/${first}`)
    const second = await dead()
    for (const run_ids of [[second], undefined]) {
      const both = { run_ids, project_id: run_ids && 'default', limit: 0 }
      expect((await call('POST', '/v1/runs/bulk-dlq-replay', both)).status).toBe(400)
    }
    const oldest = await call('POST', '/v1/runs/bulk-dlq-replay', { run_ids: null, project_id: 'default', limit: 0 })
    expect([oldest.status, oldest.body.count]).toEqual([200, 1])
  })
})

describe('the idempotency key in the body of a trigger', () => {
  test('the same idempotency key in the body returns the first run, and the header must agree', async () => {
    const { call, native } = await straitYard()
    await addWorkerJob(native, 'j')
    const trigger = (idempotency_key: string, header?: string) =>
      call(
        'POST',
        '/v1/jobs/j/trigger',
        { payload: 1, idempotency_key },
        { headers: header ? { 'idempotency-key': header } : {} },
      )
    const first = await trigger('k')
    const again = await trigger('k')
    expect([first.status, again.status]).toEqual([201, 200])
    expect([again.body.id, again.body.idempotency_hit]).toEqual([first.body.id, true])
    expect((await trigger('k', 'k')).body.id).toBe(first.body.id)
    const odd = await trigger('k', 'other')
    expect([odd.status, odd.body.details]).toEqual([400, [expect.stringContaining('idempotency_key: differs')]])
    expect((await trigger('')).body.id).not.toBe((await trigger('')).body.id)
    expect((await trigger('x'.repeat(257))).status).toBe(400)
  })
})

test('annotations are accepted under their name or bare, and validated the same way', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const { sdk, runId } = await executing(native, call, 'j')
  expect((await sdk('POST', '/annotate', { stage: 'two', annotations: 'a text' })).status).toBe(200)
  expect((await sdk('POST', '/annotate', { annotations: { stage: 'three' } })).status).toBe(200)
  expect((await call('GET', `/v1/runs/${runId}`)).body.metadata).toEqual({ stage: 'three', annotations: 'a text' })
  for (const [body, field] of [
    [{}, 'annotations'],
    [{ stage: 1 }, 'stage'],
    [{ annotations: { stage: 1 } }, 'annotations.stage'],
    [{ annotations: [] }, 'annotations'],
    [Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`k${n}`, 'v'])), 'body'],
  ] as const) {
    const refused = await sdk('POST', '/annotate', body)
    expect([refused.status, refused.body.details?.[0]], field).toEqual([400, expect.stringContaining(`${field}: `)])
  }
})

test('seconds are whole where clients read whole ones, and natively set fractions are rounded up', async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j', { retry_strategy: 'custom', retry_delays_secs: [0, 0.2, 1.5] })
  expect((await call('GET', '/v1/jobs/j')).body.retry_delays_secs).toEqual([0, 1, 2])
  const { body: run } = await native('POST', '/v1/jobs/j/runs', {
    retry_strategy: 'linear',
    retry_initial_delay_secs: 0.5,
    retry_max_delay_secs: 2.25,
  })
  const shown = (await call('GET', `/v1/runs/${run.id}`)).body
  expect([shown.retry_initial_delay_secs, shown.retry_max_delay_secs]).toEqual([1, 3])
  const refused = await call('POST', '/v1/jobs/j/trigger', { retry_initial_delay_secs: 0.5 })
  expect(refused.body.details).toEqual(['retry_initial_delay_secs: must be integer'])
})
