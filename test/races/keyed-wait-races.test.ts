import { expect, test } from 'vitest'
import { Json } from '#core/json/json.ts'
import { connect, type Sql } from '#postgres/sql.ts'
import { moveRuns } from '#run-state/move/move-runs.sql.ts'
import { triggerRun } from '#runs/trigger/trigger-runs.ts'
import { beginWait, type ItemAsked, type WaitAsked } from '#runs/waits/begin-wait.ts'
import { sendEvent } from '#runs/waits/send-event.ts'
import { lockEventKeys } from '#runs/waits/wait-items.sql.ts'
import { waits } from '#runs/waits/waits.duty.ts'
import { attempt, claim, idle, stateOf } from '../support/builders/waits.ts'
import { awaitBlocked } from '../support/db.ts'
import { addJob, ORIGIN, TESTER, testYard, type Yard } from '../support/yard.ts'

const items = (...names: ItemAsked[]): WaitAsked => ({
  key: 'k',
  kind: 'items',
  items: names,
  mode: 'all',
  timeoutSecs: 3600,
  onTimeout: 'continue',
})

async function executing({ ctx, sql }: Yard) {
  await addJob(ctx, 'j').catch(() => {})
  const { run } = await triggerRun(ctx, 'j', {}, ORIGIN)
  const [claimed] = await claim(sql)
  return { id: run.id, it: attempt(claimed!) }
}

const send = ({ ctx }: Yard, eventKey: string, payload: unknown) =>
  sendEvent(ctx, { projectId: 'default', actor: TESTER, eventKey, payload, to: 'first', keepSecs: 3600 })

/** What a column of JSON holds, which comes as its text. */
const outcomeOf = (json: unknown) => Json.of(json).value as { status: string; items: { payload: unknown }[] }

const cancel = (sql: Sql, runId: string) => moveRuns(sql, [{ runId, move: 'cancel', actor: TESTER }])

test('an event that is sent while the wait for it is being written finds the wait', async () => {
  // A begins to wait, and is held up before its commit by B, which has the lock of the event's key.
  // C sends the event, and waits for the same lock behind A.
  // B lets go → A waits, and C gives it the event: nothing is left over.
  const yard = await testYard()
  const { ctx, sql, url } = yard
  const { id, it } = await executing(yard)
  const other = connect(url, { name: 'other' }) as unknown as Sql
  const outcomes: Promise<unknown>[] = []
  await other.begin(async (tx) => {
    await lockEventKeys(tx, 'default', ['e'])
    outcomes.push(beginWait(ctx, it, items({ eventKey: 'e' })))
    await awaitBlocked(sql)
    outcomes.push(send(yard, 'e', 1))
    await awaitBlocked(sql, 2)
  })
  const [begun, sent] = await Promise.all(outcomes)
  await other.end()
  expect(begun).toMatchObject({ outcome: { status: 'waiting' } })
  expect(sent).toMatchObject({ run: { id, state: 'queued' } })
  expect((await sql`select * from kept_events`).length).toBe(0)
  expect((await sql`select * from wait_items`).length).toBe(0)
})

test('whichever comes first, the event or the wait for it, the run gets the event and nobody else does', async () => {
  const yard = await testYard()
  const { ctx, sql } = yard
  for (let round = 0; round < 10; round++) {
    const { id, it } = await executing(yard)
    const [begun] = await Promise.all([beginWait(ctx, it, items({ eventKey: 'e' })), send(yard, 'e', round)])
    const { state } = await stateOf(sql, id)
    expect([begun.outcome.status, state]).toEqual(
      begun.outcome.status === 'done' ? ['done', 'executing'] : ['waiting', 'queued'],
    )
    const [value] = await sql`select value from run_values where run_id = ${id} and key = 'wait:k'`
    expect(outcomeOf(value!.value).items[0]!.payload).toBe(round)
    expect((await sql`select * from kept_events`).length).toBe(0)
    await cancel(sql, id)
  }
})

test('of two events for one wait, one is taken and the other one is kept', async () => {
  const yard = await testYard()
  const { ctx, sql } = yard
  for (let round = 0; round < 10; round++) {
    const { id, it } = await executing(yard)
    await beginWait(ctx, it, items({ eventKey: 'e' }))
    const sent = await Promise.all([send(yard, 'e', 'a'), send(yard, 'e', 'b')])
    expect(sent.filter((one) => 'kept' in one)).toHaveLength(1)
    const [kept] = await sql`delete from kept_events returning payload`
    const [value] = await sql`select value from run_values where run_id = ${id} and key = 'wait:k'`
    expect([Json.of(kept!.payload).value, outcomeOf(value!.value).items[0]!.payload].sort()).toEqual(['a', 'b'])
    await cancel(sql, id)
  }
})

test('an event that comes at the moment of the time-out is taken or kept, never both and never neither', async () => {
  const yard = await testYard()
  const { ctx, sql } = yard
  for (let round = 0; round < 10; round++) {
    const { id, it } = await executing(yard)
    await beginWait(ctx, it, items({ eventKey: 'e' }))
    await sql`update waits set expires_at = clock_timestamp()`
    await Promise.all([send(yard, 'e', round), waits(ctx).tick(idle())])
    expect((await stateOf(sql, id)).state).toBe('queued')
    const [value] = await sql`select value from run_values where run_id = ${id} and key = 'wait:k'`
    const kept = await sql`delete from kept_events returning payload`
    expect([outcomeOf(value!.value).status, kept.length]).toEqual(
      outcomeOf(value!.value).status === 'done' ? ['done', 0] : ['timed_out', 1],
    )
    expect((await sql`select * from waits`).length).toBe(0)
    await cancel(sql, id)
  }
})

test('a run that ends while another one begins to wait for it wakes it', async () => {
  const yard = await testYard()
  const { ctx, sql } = yard
  for (let round = 0; round < 10; round++) {
    const [parent, child] = [await executing(yard), await executing(yard)]
    const [begun] = await Promise.all([
      beginWait(ctx, parent.it, items({ runId: child.id })),
      moveRuns(sql, [{ runId: child.id, move: 'complete', token: child.it.token, actor: TESTER, result: round }]),
    ])
    if (begun.outcome.status === 'waiting') await waits(ctx).tick(idle())
    const [value] = await sql`select value from run_values where run_id = ${parent.id} and key = 'wait:k'`
    expect(outcomeOf(value!.value)).toMatchObject({ status: 'done', items: [{ status: 'completed', result: round }] })
    await cancel(sql, parent.id)
  }
})

test('two runs that begin to wait for each other at once: one of them is refused', async () => {
  const yard = await testYard()
  const { ctx, sql } = yard
  for (let round = 0; round < 10; round++) {
    const [a, b] = [await executing(yard), await executing(yard)]
    const both = await Promise.allSettled([
      beginWait(ctx, a.it, items({ runId: b.id })),
      beginWait(ctx, b.it, items({ runId: a.id })),
    ])
    expect(both.map((one) => (one.status === 'rejected' ? one.reason.code : 'waits')).sort()).toEqual([
      'wait_cycle',
      'waits',
    ])
    await moveRuns(
      sql,
      [a.id, b.id].sort().map((runId) => ({ runId, move: 'cancel' as const, actor: TESTER })),
    )
  }
})

test('a run that is canceled while an event is given to it gets nothing, and the event is kept', async () => {
  const yard = await testYard()
  const { ctx, sql } = yard
  for (let round = 0; round < 10; round++) {
    const { id, it } = await executing(yard)
    await beginWait(ctx, it, items({ eventKey: 'e' }, { eventKey: 'f' }))
    const [sent] = await Promise.all([send(yard, 'e', round), cancel(sql, id)])
    const kept = await sql`delete from kept_events returning payload`
    expect(kept.length).toBe('kept' in sent ? 1 : 0)
    expect((await stateOf(sql, id)).state).toBe('canceled')
    expect((await sql`select * from wait_items`).length).toBe(0)
  }
})
