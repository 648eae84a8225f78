// Every state of a run, and every operation on it: the exact answer, and that nothing moves where it is refused.
import { expect, onTestFinished, test } from 'vitest'
import { SYSTEM } from '#core/event.ts'
import { FINAL_STATES, OVER_STATES, RUN_STATES, type RunState } from '#core/run.ts'
import { connect, type Sql } from '#postgres/sql.ts'
import { moveRuns } from '#run-state/move/move-runs.sql.ts'
import { type Call, type Reply, until } from '../../support/http-yard.ts'
import { type Attempt, addWorkerJob, claimOne, settle } from '../../support/strait-attempts.ts'
import { straitYard } from '../../support/strait-yard.ts'

type Answer = {
  status: number
  /** The sentence of the refusal, or what is to be read of the body. */
  says?: unknown
  /** The state afterwards; where it is absent nothing has moved. */
  into?: RunState
}
type Operation = {
  name: string
  /** Without an attempt there is no token, and nothing to call. */
  byAttempt?: true
  ask: (call: Call, run: { id: string; attempt: Attempt | undefined }) => Promise<Reply>
  answer: (state: RunState) => Answer
}

const isIn = (states: readonly RunState[]) => (state: RunState) => states.includes(state)
const over = isIn(OVER_STATES)
const replayable = isIn(['failed', 'timed_out', 'crashed', 'system_failed'])
const notBegun = isIn(['delayed', 'queued'])
const refused = (status: number, says: string): Answer => ({ status, says })

const TOMORROW = new Date(Date.now() + 86_400_000).toISOString()
const post =
  (path: string, body?: object) =>
  (call: Call, { id }: { id: string }) =>
    call('POST', `/v1/runs/${id}${path}`, body)

const OPERATIONS: readonly Operation[] = [
  {
    name: 'cancel',
    ask: (call, { id }) => call('DELETE', `/v1/runs/${id}`),
    answer: (state) =>
      over(state) ? refused(400, 'run already in terminal state') : { status: 204, into: 'canceled' },
  },
  {
    name: 'replay',
    ask: post('/replay'),
    answer: (state) => (replayable(state) ? { status: 202 } : refused(400, 'run is not replayable')),
  },
  {
    name: 'dlq-replay',
    ask: post('/dlq-replay'),
    answer: (state) =>
      state === 'dead_letter' ? { status: 202, into: 'queued' } : refused(409, 'run is not in dead_letter status'),
  },
  {
    name: 'idempotency-key reset',
    ask: (call, { id }) => call('DELETE', `/v1/runs/${id}/idempotency-key`),
    answer: (state) =>
      isIn(['dequeued', 'executing', 'waiting'])(state)
        ? refused(404, 'run not found or not eligible for idempotency reset')
        : { status: 200 },
  },
  {
    name: 'reschedule to tomorrow',
    ask: post('/reschedule', { scheduled_at: TOMORROW }),
    answer: (state) =>
      notBegun(state)
        ? { status: 200, into: 'delayed' }
        : refused(404, 'run not found or not eligible for rescheduling'),
  },
  {
    name: 'reschedule to the past',
    ask: post('/reschedule', { scheduled_at: '2019-08-24T14:15:22Z' }),
    answer: (state) =>
      notBegun(state)
        ? { status: 200, into: 'queued' }
        : refused(404, 'run not found or not eligible for rescheduling'),
  },
  {
    name: 'pause',
    ask: post('/pause'),
    answer: (state) => {
      if (state === 'executing') return { status: 200, into: 'paused' }
      return state === 'paused' ? { status: 200 } : refused(400, 'run is not executing')
    },
  },
  {
    name: 'resume',
    ask: post('/resume'),
    answer: (state) => (state === 'paused' ? { status: 200, into: 'queued' } : refused(400, 'run is not paused')),
  },
  {
    name: 'restart',
    ask: post('/restart', {}),
    answer: (state) =>
      isIn(['executing', 'paused'])(state)
        ? { status: 200, into: 'queued' }
        : refused(400, 'run is not executing or paused'),
  },
  {
    name: 'bulk-cancel',
    ask: (call, { id }) => call('POST', '/v1/runs/bulk-cancel', { run_ids: [id] }),
    answer: (state) =>
      over(state)
        ? { status: 200, says: { status: state, error: 'run already in terminal state' } }
        : { status: 200, says: { status: 'canceled' }, into: 'canceled' },
  },
  {
    name: 'bulk-replay',
    ask: (call, { id }) => call('POST', '/v1/runs/bulk-replay', { run_ids: [id] }),
    answer: (state) => ({ status: 200, says: replayable(state) ? 1 : 0 }),
  },
  {
    name: 'bulk-dlq-replay',
    ask: (call, { id }) => call('POST', '/v1/runs/bulk-dlq-replay', { run_ids: [id] }),
    answer: (state) =>
      state === 'dead_letter'
        ? { status: 200, into: 'queued' }
        : refused(409, 'no dead_letter runs available for replay'),
  },
  ...(['complete', 'fail', 'log', 'continue', 'wait-for-event'] as const).map(
    (name): Operation => ({
      name: `the attempt's ${name}`,
      byAttempt: true,
      ask: (_, { id, attempt }) =>
        attempt!.sdk('POST', `/${name}`, {
          error: 'x',
          message: 'x',
          event_key: `${id} ${name}`,
        }),
      answer: (state) => answerToAttempt(name, state),
    }),
  ),
]

function answerToAttempt(name: 'complete' | 'fail' | 'log' | 'continue' | 'wait-for-event', state: RunState): Answer {
  if (over(state)) return refused(410, 'run already in terminal state')
  if (state === 'paused') return refused(409, 'run lease is no longer held')
  const ends = name === 'complete' || name === 'fail'
  if (state === 'dequeued' && (ends || name === 'wait-for-event')) return refused(409, 'run is not executing')
  if (ends) return { status: 200, into: name === 'complete' ? 'completed' : 'failed' }
  if (name !== 'wait-for-event') return { status: 201 }
  return state === 'executing' ? { status: 200, into: 'waiting' } : refused(409, 'run is not executing')
}

type Yard = { call: Call; native: Call; sql: Sql }

const SETTINGS: Partial<Record<RunState, object>> = { timed_out: { timeout_secs: 1 } }
const INPUTS: Partial<Record<RunState, object>> = { delayed: { delay_secs: 3600 }, expired: { ttl_secs: 1 } }
const UNCLAIMED: readonly RunState[] = ['delayed', 'queued', 'expired']

/** Runs in this state, one for each operation, brought there as it happens in life. */
async function runsIn(yard: Yard, state: RunState): Promise<{ id: string; attempt: Attempt | undefined }[]> {
  const { native, call } = yard
  const slug = state.replaceAll('_', '-')
  await addWorkerJob(native, slug, { pause_grace_secs: 0, ...SETTINGS[state] })
  const items = OPERATIONS.map(() => INPUTS[state] ?? {})
  const { results } = (await native('POST', `/v1/jobs/${slug}/runs/batch`, { items })).body
  const runs: { id: string; attempt: Attempt | undefined }[] = []
  for (const { run } of results) {
    if (UNCLAIMED.includes(state)) {
      runs.push({ id: run.id, attempt: undefined })
      continue
    }
    const more = { ...(state === 'dequeued' && { buffer: true }), ...(state === 'crashed' && { lease_secs: 5 }) }
    const attempt = await claimOne(native, call, slug, more)
    await bring(yard, attempt, state)
    runs.push({ id: attempt.runId, attempt })
  }
  for (const { id } of runs)
    await until(
      () => native('GET', `/v1/runs/${id}`),
      (reply) => reply.body.status === state,
      15_000,
    )
  return runs
}

async function bring({ native, call, sql }: Yard, attempt: Attempt, state: RunState): Promise<void> {
  switch (state) {
    case 'waiting':
      return void (await attempt.sdk('POST', '/wait-for-event', { event_key: attempt.runId }))
    case 'paused':
      return void (await Promise.all([
        call('POST', `/v1/runs/${attempt.runId}/pause`),
        settle(native, attempt, { outcome: 'paused' }),
      ]))
    case 'completed':
      return void (await attempt.sdk('POST', '/complete'))
    case 'failed':
      return void (await attempt.sdk('POST', '/fail', { error: 'x' }))
    case 'dead_letter':
      return void (await settle(native, attempt, { outcome: 'failed', error: 'x' }))
    case 'canceled':
      return void (await call('DELETE', `/v1/runs/${attempt.runId}`))
    case 'system_failed':
      // What only a fault of the machinery itself leads to: the move is made as the engine would make it.
      return void (await moveRuns(sql, [{ runId: attempt.runId, move: 'failSystem', actor: SYSTEM }]))
  }
}

test.each(RUN_STATES)(
  'each operation on a run that is %s is answered as Strait answers it',
  {
    timeout: 90_000,
  },
  async (state) => {
    const { call, native, url } = await straitYard()
    const sql = connect(url, { max: 1 })
    onTestFinished(() => sql.end())
    const runs = await runsIn({ call, native, sql }, state)
    const standing = async (id: string) => {
      const { status, last_sequence } = (await native('GET', `/v1/runs/${id}`)).body
      return { status, last_sequence }
    }
    for (const [index, { name, byAttempt, ask, answer }] of OPERATIONS.entries()) {
      const run = runs[index]!
      if (byAttempt && !run.attempt) continue
      const { status, says, into } = answer(state)
      const before = await standing(run.id)
      const reply = await ask(call, run)
      expect(reply.status, name).toBe(status)
      const after = await standing(run.id)
      expect(after.status, name).toBe(into ?? state)
      if (status >= 400) {
        expect(reply.body.error, name).toBe(says)
        expect(after, `${name}: a refusal changes nothing`).toEqual(before)
      } else if (typeof says === 'number') expect(reply.body, name).toHaveLength(says)
      else if (says) expect(reply.body.results, name).toEqual([{ id: run.id, ...(says as object) }])
      if (reply.body?.id === run.id) expect(reply.body.status, name).toBe(after.status)
    }
  },
)

test('the table has all states of ended runs', () => {
  expect([...OVER_STATES].sort()).toEqual([...FINAL_STATES, 'dead_letter'].sort())
})
