import { expect, test } from 'vitest'
import { connect, type Sql } from '#postgres/sql.ts'
import { callerOf, httpYard, openNode } from '../support/http-yard.ts'
import { expectTrueStories } from '../support/story.ts'

// Everything at once on two nodes: dependencies, awaited children, events, cancels, pauses, restarts with presets,
// operations, and workers of which some never answer. Afterwards everything comes to an end, and all tables agree.
const BUSY_MS = 8_000
const CALM_MS_MAX = 75_000

test('whatever happens at once, no run is stuck, no call is a fault, and all tables agree', async () => {
  const { call, url } = await httpYard()
  const second = await openNode(url)
  const other = callerOf(second.address)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!
  const bad: string[] = []
  const ask: typeof call = async (method, path, body, more) => {
    const reply = await pick([call, other])(method, path, body, more)
    const kind = `${method} ${path.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, ':id').replace(/\?.*/, '')} ${reply.status} ${reply.body?.error?.code ?? ''}`
    if (reply.status >= 500) bad.push(`${kind} ${JSON.stringify(reply.body).slice(0, 200)}`)
    return reply
  }
  const jobs = ['a', 'b', 'c', 'd']
  for (const slug of jobs)
    await call('POST', '/v1/jobs', {
      slug,
      execution: 'worker',
      queue: 'q',
      max_attempts: 2,
      retry_initial_delay_secs: 0,
      retry_strategy: 'fixed',
      pause_grace_secs: 1,
      ...(slug === 'd' && { max_concurrency: 2 }),
    })
  await call('POST', '/v1/jobs/b/dependencies', { depends_on: 'a', condition: 'any' })
  await call('POST', '/v1/jobs/c/dependencies', { depends_on: 'b', condition: 'any' })
  await call('POST', '/v1/jobs/c/dependencies', { depends_on: 'a', condition: 'completed' })
  const ids: string[] = []
  const endMs = Date.now() + BUSY_MS
  const busy = () => Date.now() < endMs
  const trigger = async () => {
    while (busy()) {
      const body = {
        ...(Math.random() < 0.3 && { idempotency_key: `k${Math.floor(Math.random() * 5)}` }),
        ...(Math.random() < 0.2 && { delay_secs: 1 }),
        ...(Math.random() < 0.2 && { ttl_secs: 2 }),
        ...(Math.random() < 0.1 && { preset: 'micro' }),
      }
      const r = await ask('POST', `/v1/jobs/${pick(jobs)}/runs`, body)
      if (r.body?.id) ids.push(r.body.id)
      await new Promise((f) => setTimeout(f, 20))
    }
  }
  const worker = async (n: number) => {
    while (busy()) {
      const { body } = await ask('POST', '/v1/workers/claim', {
        worker_id: `w${n}`,
        queues: ['q', 'micro', 'small-1x'],
        limit: 5,
        wait_secs: 1,
        lease_secs: 5,
      })
      await Promise.all(
        (body.runs ?? []).map(async (it: { run: { id: string }; lease_token: string; run_token: string }) => {
          const key = { key: it.run_token }
          const settle = (outcome: object) =>
            ask('POST', '/v1/workers/settle', {
              settlements: [{ run_id: it.run.id, lease_token: it.lease_token, ...outcome }],
            })
          const dice = Math.random()
          if (dice < 0.2)
            await ask(
              'POST',
              `/v1/runs/${it.run.id}/spawn`,
              {
                job: pick(jobs),
                await_completion: true,
                await_timeout_secs: pick([1, 5]),
                ...(Math.random() < 0.3 && { idempotency_key: `s${Math.floor(Math.random() * 4)}` }),
              },
              key,
            )
          else if (dice < 0.35)
            await ask(
              'POST',
              `/v1/runs/${it.run.id}/wait-for-event`,
              { event_key: `e${Math.floor(Math.random() * 6)}`, timeout_secs: pick([1, 2, 4]) },
              key,
            )
          else if (dice < 0.4) {
            await ask('POST', `/v1/runs/${it.run.id}/spawn`, { job: 'a', detached: Math.random() < 0.5 }, key)
            await settle({ outcome: 'failed', error: 'x', retryable: true })
          } else if (dice < 0.45)
            await ask('POST', `/v1/runs/${it.run.id}/continue`, {}, key).then(() => settle({ outcome: 'completed' }))
          else if (dice < 0.5)
            return // Nobody settles it: the lease runs out.
          else if (dice < 0.6) await settle({ outcome: 'failed', error: 'x', retryable: true })
          else if (dice < 0.65) await settle({ outcome: 'returned' })
          else {
            await ask('POST', `/v1/runs/${it.run.id}/usage`, { provider: 'p', model: 'm', prompt_tokens: 1 }, key)
            await settle({ outcome: 'completed', result: 1 })
          }
        }),
      )
    }
  }
  const operator = async () => {
    while (busy()) {
      const id = pick(ids)
      if (id) {
        const dice = Math.random()
        if (dice < 0.15) await ask('DELETE', `/v1/runs/${id}`)
        else if (dice < 0.3) await ask('POST', `/v1/runs/${id}/pause`)
        else if (dice < 0.45) await ask('POST', `/v1/runs/${id}/resume`)
        else if (dice < 0.6)
          await ask('POST', `/v1/runs/${id}/restart`, pick([{}, { preset: 'micro' }, { preset: 'small-1x' }]))
        else if (dice < 0.7) await ask('POST', `/v1/runs/${id}/dlq-replay`)
        else if (dice < 0.8) await ask('POST', `/v1/runs/${id}/replay`)
        else if (dice < 0.85)
          await ask('POST', `/v1/runs/${id}/reschedule`, { scheduled_at: new Date(Date.now() + 500).toISOString() })
        else await ask('POST', `/v1/events/e${Math.floor(Math.random() * 6)}/send`, { payload: 1 })
      }
      await new Promise((f) => setTimeout(f, 10))
    }
  }
  const bulk = async () => {
    while (busy()) {
      const kind = pick(['redrive', 'replay', 'cancel'])
      const r = await ask('POST', '/v1/operations', {
        kind,
        filter:
          kind === 'cancel'
            ? { job: 'c' }
            : kind === 'replay'
              ? { job: pick(jobs), status: ['dead_letter'] }
              : { all: true },
        max_runs: 40,
      })
      if (Math.random() < 0.3 && r.body?.id) await ask('DELETE', `/v1/operations/${r.body.id}`)
      const dep =
        Math.random() < 0.5
          ? await ask('POST', '/v1/jobs/b/dependencies', { depends_on: 'd', condition: 'any' })
          : undefined
      await new Promise((f) => setTimeout(f, 700))
      if (dep?.body?.id) await ask('DELETE', `/v1/jobs/b/dependencies/${dep.body.id}`)
    }
  }
  await Promise.all([trigger(), trigger(), worker(1), worker(2), worker(3), operator(), operator(), bulk()])
  expect.soft(bad).toEqual([])
  // Let all that can end, end: settle everything as completed, send all events.
  const calmMs = Date.now() + CALM_MS_MAX
  const sql = connect(url, { name: 'look' }) as unknown as Sql
  let left: readonly object[] = []
  while (Date.now() < calmMs) {
    const { body } = await call('POST', '/v1/workers/claim', {
      worker_id: 'z',
      queues: ['q', 'micro', 'small-1x'],
      limit: 100,
      wait_secs: 1,
    })
    if (body.runs?.length)
      await call('POST', '/v1/workers/settle', {
        settlements: body.runs.map((it: { run: { id: string }; lease_token: string }) => ({
          run_id: it.run.id,
          lease_token: it.lease_token,
          outcome: 'completed',
        })),
      })
    for (let i = 0; i < 6; i++) await call('POST', `/v1/events/e${i}/send`, {})
    const paused = await sql`select run_id from run_states where state = 'paused'`
    for (const { run_id } of paused) await call('POST', `/v1/runs/${run_id}/resume`)
    left = [
      ...(await sql`select s.run_id, s.state, s.state_since, w.kind, w.check_at, w.expires_at, w.child_run_id, c.state as child_state, j.slug from run_states s join runs r on r.id = s.run_id join jobs j on j.id = r.job_id left join waits w on w.run_id = s.run_id left join run_states c on c.run_id = w.child_run_id where s.state in ('queued','delayed','dequeued','executing','waiting','paused')`),
    ]
    // A run may wait for a job of which no run is going to end as it should.
    if (unexpected(left).length === 0) break
  }
  // A child that is over has no parent that waits for it.
  const stuck = (left as { kind: string; child_state: string; check_at: Date | null }[]).filter(
    (it) =>
      it.kind === 'child' &&
      ['completed', 'failed', 'canceled', 'dead_letter', 'timed_out', 'expired', 'crashed'].includes(it.child_state),
  )
  expect.soft(stuck).toEqual([])
  expect.soft(unexpected(left)).toEqual([])
  await expectTrueStories(sql)
  const perQueue =
    await sql`select * from (select queue, state, sum(n)::int as n from run_counts group by 1, 2 having sum(n) <> 0) c full join (select r.queue, s.state, count(*)::int as m from runs r join run_states s on s.run_id = r.id group by 1, 2) a using (queue, state) where n is distinct from m`
  expect.soft([...perQueue]).toEqual([])
  await (sql as unknown as { end: () => Promise<void> }).end()
}, 120_000)

const unexpected = (left: readonly object[]) =>
  left.filter((it) => (it as { kind: string | null }).kind !== 'dependencies')
