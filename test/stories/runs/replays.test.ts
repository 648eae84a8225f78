// Replays with another payload and other settings, and what a replay by filter would take.
import { describe, expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { addFailingJob, failClaimed, failRuns, settleClaimed } from '../../support/builders/failing-runs.ts'
import { type Call, codeOf, httpYard, trigger } from '../../support/http-yard.ts'

const SCHEMA = { type: 'object', required: ['month'], properties: { month: { type: 'integer' } } }

async function failedRun(call: Call, input: object, job: object = {}) {
  await addFailingJob(call, 'j', job)
  const run = await trigger(call, 'j', input)
  await failClaimed(call, 'j', { error: 'no' })
  return run
}

describe('a replay', () => {
  test('has the payload and the settings that its body sets, and those of the original for the rest', async () => {
    const { call } = await httpYard()
    const old = await failedRun(call, {
      payload: { month: 1 },
      tags: { team: 'a' },
      metadata: { tenant: 't1' },
      concurrency_key: 'k1',
      priority: 3,
      timeout_secs: 77,
    })
    const replay = await call('POST', `/v1/runs/${old.id}/replay`, {
      payload: { month: 2 },
      tags: { team: 'b' },
      priority: 7,
      max_attempts: 5,
      retry_strategy: 'fixed',
      retry_initial_delay_secs: 9,
      ttl_secs: 600,
      delay_secs: 60,
      debug_mode: true,
    })
    expect(replay.status).toBe(201)
    expect(replay.body).toMatchObject({
      status: 'delayed',
      replayed_from: old.id,
      triggered_by: 'replay',
      tags: { team: 'b' },
      metadata: { tenant: 't1' },
      concurrency_key: 'k1',
      priority: 7,
      max_attempts: 5,
      timeout_secs: 77,
      expires_at: expect.any(String),
      debug_mode: true,
    })
    const read = await call('GET', `/v1/runs/${replay.body.id}`)
    expect(read.body.payload).toEqual({ month: 2 })
    expect((await call('GET', `/v1/runs/${old.id}`)).body.payload).toEqual({ month: 1 })
    const again = await call('POST', `/v1/runs/${old.id}/replay`)
    expect(again.body).toMatchObject({ status: 'queued', priority: 3, tags: { team: 'a' }, max_attempts: 1 })
  })

  test('takes null for a payload', async () => {
    const { call } = await httpYard()
    const old = await failedRun(call, { payload: 1 })
    const replay = await call('POST', `/v1/runs/${old.id}/replay`, { payload: null })
    expect((await call('GET', `/v1/runs/${replay.body.id}`)).body.payload).toBe(null)
  })

  test('is refused when its payload is not valid under the schema of the job', async () => {
    const { call } = await httpYard()
    const old = await failedRun(call, { payload: { month: 1 } }, { payload_schema: SCHEMA })
    const refused = await call('POST', `/v1/runs/${old.id}/replay`, { payload: { month: 'May' } })
    expect(refused.status).toBe(422)
    expect(refused.body.error.details.fields[0].field).toBe('payload.month')
  })

  test.each([
    [{ payload: {}, from_checkpoint: 1 }, 'payload'],
    [{ delay_secs: 1, scheduled_at: '2999-01-01T00:00:00Z' }, 'delay_secs'],
    [{ scheduled_at: '2999-01-01T00:00:00Z' }, 'scheduled_at'],
    [{ priority: 'high' }, 'priority'],
    [{ idempotency_key: 'k' }, 'idempotency_key'],
    [{ paylod: {} }, 'paylod'],
  ])('with %j is refused by the name of the field', async (body, field) => {
    const { call } = await httpYard()
    const old = await failedRun(call, {})
    const refused = await call('POST', `/v1/runs/${old.id}/replay`, body)
    expect(refused.status).toBe(422)
    expect(refused.body.error.details.fields[0].field).toBe(field)
  })

  test('with a payload of its own needs no payload of the original', async () => {
    const { call, url } = await httpYard()
    const old = await failedRun(call, { payload: 1 })
    const sql = connect(url)
    await sql`delete from run_bodies where run_id = ${old.id}`
    await sql.end()
    expect(codeOf(await call('POST', `/v1/runs/${old.id}/replay`))).toBe('payload_gone')
    expect((await call('POST', `/v1/runs/${old.id}/replay`, { payload: 2 })).status).toBe(201)
  })
})

test('a dry run says how many runs of which status it would take, and a replay takes completed ones only if asked', async () => {
  const { call } = await httpYard()
  await addFailingJob(call, 'j')
  await failRuns(call, 'j', [{ error: 'no' }, { error: 'no' }, { error: 'no', retryable: false }])
  await trigger(call, 'j')
  await settleClaimed(call, 'j', { outcome: 'completed' })
  const preview = async (kind: string, filter: object) =>
    (await call('POST', '/v1/operations', { kind, filter, dry_run: true })).body
  const dead = { status: 'dead_letter', count: 2 }
  const failed = { status: 'failed', count: 1 }
  for (const filter of [{ job: 'j' }, { job: 'j', created_from: '2020-01-01T00:00:00Z' }]) {
    expect(await preview('replay', filter)).toMatchObject({ matched: 3, by_status: [dead, failed] })
    expect(await preview('redrive', filter)).toMatchObject({ matched: 2, by_status: [dead] })
    const asked = await preview('replay', { ...filter, status: ['completed', 'failed'] })
    expect(asked.by_status).toEqual(expect.arrayContaining([failed, { status: 'completed', count: 1 }]))
  }
})
