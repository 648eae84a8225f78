// A database that the released version filled comes up with this code, and every run in it goes on to its end.
import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { emptyDatabase } from '../support/db.ts'
import { type Call, callerOf, openNode, until, untilState } from '../support/http-yard.ts'
import { sealAll } from '../support/seal-all.ts'
import { expectTrueStories } from '../support/story.ts'

type Kept = {
  made: Record<string, string>
  runs: Record<string, { status: string; attempt: number; events: string[] }>
}

const HERE = new URL('./upgrade/', import.meta.url)
const RELEASES = ['0.1.0']
// The dump grows old, and must not be cleaned up for it.
const KEEP_ALL = {
  RUNYARD_KEEP_EVENTS_DAYS: '0',
  RUNYARD_KEEP_RUNS_DAYS: '0',
  RUNYARD_KEEP_PAYLOADS_DAYS: '0',
  RUNYARD_EXTERNAL_SILENCE_SECS: '0',
}

async function restored(release: string) {
  const kept = JSON.parse(await readFile(new URL(`${release}.json`, HERE), 'utf8')) as Kept
  const { sql, url } = await emptyDatabase()
  // The dump sets its session up for itself.
  const session = connect(url, { max: 1, name: 'runyard-test' })
  await session.unsafe(gunzipSync(await readFile(new URL(`${release}.sql.gz`, HERE))).toString())
  await session.unsafe(LATER_THE_SAME_HOUR)
  await session.end({ timeout: 1 })
  const open = async (roles: string) => callerOf((await openNode(url, { ...KEEP_ALL, RUNYARD_ROLES: roles })).address)
  return { ...kept, sql, open }
}

/** Moves what was still to come by the time that has passed since the dump. */
const LATER_THE_SAME_HOUR = `
  do $$
  declare gap interval := now() - (select max(recorded_at) from public.events);
  begin
    update public.run_queue set due_at = due_at + gap where isfinite(due_at);
    update public.run_states set due_at = due_at + gap where due_at is not null and isfinite(due_at);
    update public.waits set expires_at = expires_at + gap where expires_at is not null;
    update public.input_requests set expires_at = expires_at + gap where expires_at is not null;
    update public.idempotency_keys set expires_at = expires_at + gap where expires_at is not null;
  end $$`

async function claimOne(call: Call, queue: string) {
  const { body } = await until(
    () => call('POST', '/v1/workers/claim', { worker_id: 'w', queues: [queue], lease_secs: 300 }),
    (reply) => reply.body.runs.length > 0,
    60_000,
  ).catch((error) => {
    throw new Error(`nothing in ${queue}`, { cause: error })
  })
  return body.runs[0]
}

async function finish(call: Call, queue: string) {
  const claimed = await claimOne(call, queue)
  const settlement = { run_id: claimed.run.id, lease_token: claimed.lease_token, outcome: 'completed', result: queue }
  const { body } = await call('POST', '/v1/workers/settle', { settlements: [settlement] })
  expect(body.results).toEqual([{ run_id: claimed.run.id, status: 'completed' }])
  return claimed
}

describe.each(RELEASES)('a database of version %s', (release) => {
  test('shows each run in the state and with the history that it had', { timeout: 120_000 }, async () => {
    const { runs, open } = await restored(release)
    const call = await open('api')
    for (const [id, { status, attempt, events }] of Object.entries(runs)) {
      const run = (await call('GET', `/v1/runs/${id}`)).body
      expect({ id, status: run.status, attempt: run.attempt }).toEqual({ id, status, attempt })
      const { data } = (await call('GET', `/v1/runs/${id}/events?limit=100`)).body
      expect(data.map((event: { type: string }) => event.type)).toEqual(events)
    }
    for (const status of new Set(Object.values(runs).map((run) => run.status))) {
      const listed = (await call('GET', `/v1/runs?status=${status}&limit=100`)).body.data
      const wanted = Object.keys(runs).filter((id) => runs[id]!.status === status)
      expect(listed.map((run: { id: string }) => run.id).toSorted()).toEqual(wanted.toSorted())
    }
  })

  test('gives bodies, outputs, values and usage back as they were', { timeout: 60_000 }, async () => {
    const { made, open } = await restored(release)
    const call = await open('api')
    const path = `/v1/runs/${made.completed}`
    const { payload, result } = (await call('GET', path)).body
    expect(payload).toEqual({ name: 'completed', digits: 12.5, nested: { list: [1, 'two', null], b: 1, a: 2 } })
    expect(result).toEqual({ done: true, list: [3, 2, 1] })
    expect((await call('GET', `${path}/outputs`)).body.data[0].value).toEqual({ pages: 12 })
    expect((await call('GET', `${path}/state/seen`)).body.value).toEqual([1, 2])
    expect((await call('GET', `${path}/usage`)).body.data[0]).toMatchObject({ model: 'gpt-4o', prompt_tokens: 1000 })
    const contained = encodeURIComponent('{"name":"completed"}')
    const found = (await call('GET', `/v1/runs?payload_contains=${contained}`)).body.data
    expect(found.map((run: { id: string }) => run.id)).toEqual([made.completed])
  })

  test('lets every live run go on to its end', { timeout: 240_000 }, async () => {
    const { made, runs, sql, open } = await restored(release)
    const call = await open('api,engine')
    const id = (name: string) => made[name]!

    expect((await claimOne(call, 'queued')).run.id).toBe(id('queued')) // Its priority is higher than its neighbours'.
    for (let others = 0; others < 3; others++) await finish(call, 'queued')
    const act = async (path: string, body: object = {}) =>
      expect(await call('POST', path, body), path).toMatchObject({ status: 200 })
    await act(`/v1/runs/${id('delayed')}/reschedule`, { scheduled_at: new Date().toISOString() })
    await act(`/v1/runs/${id('retry-later')}/reschedule`, { scheduled_at: new Date().toISOString() })
    await act('/v1/jobs/held/resume')
    await act('/v1/agents/halted/enable')
    await act(`/v1/runs/${id('paused')}/resume`)
    await act(`/v1/runs/${id('dead-letter')}/dlq-replay`)
    await act('/v1/events/shipped/send', { payload: { parcel: 7 } })
    await act(`/v1/input-requests/${id('input-request')}/answer`, { approved: true })

    // Leases of workers that are gone come back when they have ended.
    await untilState(call, id('pausing'), ['paused', 'queued'], 60_000)
    await act(`/v1/runs/${id('pausing')}/resume`)
    for (const queue of ['limited', 'limited', 'dequeued', 'child', 'upstream', 'held', 'agent-off', 'delayed'])
      await finish(call, queue)
    for (const queue of [
      'retry-later',
      'paused',
      'pausing',
      'dead-letter',
      'waits-child',
      'waits-input',
      'waits-dependency',
    ])
      await finish(call, queue)
    expect((await finish(call, 'executing')).checkpoint.state).toEqual({ step: 4 })
    expect((await finish(call, 'waits-event')).checkpoint.state).toEqual({ parcel: 7 })

    const alive = []
    for (const runId of Object.keys(runs))
      if (!(await call('GET', `/v1/runs/${runId}`)).body.finished_at) alive.push(runId)
    expect(alive.toSorted()).toEqual([id('queued'), 'reported-live'])
    await expectTrueStories(sql)
  })

  test('keeps its promises: keys, reservations and questions still hold', { timeout: 60_000 }, async () => {
    const { made, sql, open } = await restored(release)
    const call = await open('api')
    const again = (name: string, key: string) =>
      call('POST', `/v1/jobs/${name}/runs`, {
        payload: { name, digits: 12.5, nested: { list: [1, 'two', null], b: 1, a: 2 } },
        tags: { kind: name },
        metadata: { order: name },
        idempotency_key: key,
        ...(name === 'queued' ? { priority: 7 } : { debug_mode: true }),
      })
    expect((await again('completed', 'once')).body).toMatchObject({ id: made.completed, replayed: true })
    expect((await again('queued', 'twice')).body).toMatchObject({ id: made.queued, replayed: true })

    const settled = { authorization_id: made.reserved, outcome: 'succeeded', cost_microusd: 900 }
    expect((await call('POST', '/v1/agents/support/settle', settled)).status).toBe(200)
    await call('POST', `/v1/input-requests/${made['asked-request']}/answer`, { approved: true })
    const path = `/v1/agents/support/authorizations/${made.asked}`
    expect((await call('GET', path)).body.state).toBe('reserved')

    await sealAll(sql)
    expect((await call('GET', '/v1/events/verify')).body).toMatchObject({ ok: true })
  })
})
