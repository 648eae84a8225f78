import { expect, test } from 'vitest'
import { acquireLease, endLease, sweepLeases } from '#agents/leases/ai-leases.ts'
import { findRun } from '#run-state/read/read-runs.sql.ts'
import { triggerRun } from '#runs/trigger/trigger-runs.ts'
import { expectTrueStories } from '../../support/story.ts'
import { addJob, TESTER, testYard } from '../../support/yard.ts'

const asked = (key: string) => ({ projectId: 'default', key, runRef: key, actor: TESTER, ttlSecs: 60 })

test('an AI lease that nobody resumes is deleted after a day, and its run has timed out', async () => {
  const { ctx, sql } = await testYard()
  for (const key of ['left', 'late', 'held', 'done', 'old']) await acquireLease(ctx, asked(key))
  for (const key of ['done', 'old']) {
    const [row] = await sql`select lease_id from ai_leases where key = ${key}`
    await endLease(ctx, { ...asked(key), leaseId: row!.lease_id, end: { state: 'completed', result: { key } } })
  }
  await sql`update ai_leases set expires_at = now() - interval '25 hours' where key = 'left'`
  await sql`update ai_leases set expires_at = now() - interval '23 hours' where key = 'late'`
  await sql`update ai_leases set expires_at = now() - interval '1 second' where key = 'old'`
  expect(await sweepLeases(ctx)).toBe(2)
  const kept = await sql<{ key: string }[]>`select key from ai_leases order by key`
  expect(kept.map((row) => row.key)).toEqual(['done', 'held', 'late'])
  expect(await findRun(sql, 'default', 'left')).toMatchObject({ state: 'timed_out', errorCode: 'lease_expired' })
  expect(await findRun(sql, 'default', 'late')).toMatchObject({ state: 'executing' })
  const told = await sql<{ type: string }[]>`select type from events where run_ref = 'left' order by sequence`
  expect(told.map((row) => row.type)).toEqual(['run_started', 'lease_expired', 'run_finished', 'run.timed_out'])
})

test('an AI lease on a run that is executed here is logged there, and does not end it', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'j')
  const { run } = await triggerRun(ctx, 'j', {}, { projectId: 'default', actor: TESTER, triggeredBy: 'manual' })
  const { lease } = await acquireLease(ctx, { ...asked('k'), runRef: run.id })
  await endLease(ctx, { ...asked('k'), leaseId: lease.leaseId, end: { state: 'failed', errorCode: 'x' } })
  expect(await findRun(sql, 'default', run.id)).toMatchObject({ state: 'queued' })
  await expectTrueStories(sql)
})
