// Claims that are asked for at the same time: they share statements, and each claimer gets what its leases say.
import { expect, test } from 'vitest'
import { times } from '#test/support/builders/runs.ts'
import { addJob, testYard } from '#test/support/yard.ts'
import { type ClaimRequest, makeClaimer } from './claimer.ts'

const requestOf = (owner: string, more: Partial<ClaimRequest> = {}): ClaimRequest => ({
  projectId: 'default',
  queues: ['default'],
  owner,
  actor: { type: 'worker', id: owner },
  leaseSecs: 60,
  limit: 1,
  into: 'executing',
  ...more,
})

const names = (count: number) => Array.from({ length: count }, (_, nth) => `w${nth}`)

test('claims asked for at once share statements, and each run is leased and logged as that of its claimer', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'a')
  await times(ctx, 'a', 30)
  const claimer = makeClaimer(ctx)
  const answers = await Promise.all(
    names(20).map((owner, nth) => claimer.claim(requestOf(owner, { leaseSecs: 30 + nth, limit: nth === 0 ? 3 : 1 }))),
  )
  expect(answers.map(({ runs }) => runs.length)).toEqual([3, ...names(19).map(() => 1)])
  const given = answers.flatMap(({ runs }, nth) => runs.map((run) => [run.runId, `w${nth}`, 30 + nth, run.token]))
  const leases = await sql`select run_id, owner, lease_secs, token, xmin::text as "writtenBy" from leases`
  expect(leases.map((it) => [it.run_id, it.owner, it.lease_secs, it.token]).sort()).toEqual(given.sort())
  expect(new Set(leases.map((it) => it.writtenBy)).size).toBeLessThanOrEqual(3)
  const starts = await sql`select run_id, actor_type, actor_id from events where type = 'run.started'`
  expect(starts.map((it) => [it.run_id, it.actor_type, it.actor_id]).sort()).toEqual(
    given.map(([runId, owner]) => [runId, 'worker', owner]).sort(),
  )
})

test('claimers who ask at once share the room of jobs with and without a limit, and no run is given twice', async () => {
  const { ctx } = await testYard()
  await addJob(ctx, 'limited', { maxConcurrency: 2 })
  await addJob(ctx, 'free')
  await times(ctx, 'limited', 5)
  await times(ctx, 'free', 3)
  const claimer = makeClaimer(ctx)
  const rounds = [await Promise.all(names(10).map((owner) => claimer.claim(requestOf(owner))))]
  rounds.push(await Promise.all(names(10).map((owner) => claimer.claim(requestOf(owner)))))
  const ids = rounds.flat().flatMap(({ runs }) => runs.map((run) => run.runId))
  expect(ids).toHaveLength(5)
  expect(new Set(ids).size).toBe(5)
  expect(rounds.at(-1)!.every(({ limitedLeft }) => limitedLeft)).toBe(true)
})

test('a claimer who has hung up before its turn is given nothing, and keeps nothing from those beside it', async () => {
  const { ctx } = await testYard()
  await addJob(ctx, 'a')
  await times(ctx, 'a', 2)
  const claimer = makeClaimer(ctx)
  const hungUp = AbortSignal.abort()
  const answers = await Promise.all([
    claimer.claim(requestOf('gone', { limit: 2 }), hungUp),
    claimer.claim(requestOf('w1')),
    claimer.claim(requestOf('w2')),
  ])
  expect(answers.map(({ runs }) => runs.length)).toEqual([0, 1, 1])
})

test('a claimer whose name the database cannot hold fails alone', async () => {
  const { ctx } = await testYard()
  await addJob(ctx, 'a')
  await times(ctx, 'a', 2)
  const claimer = makeClaimer(ctx)
  const claims = await Promise.allSettled(['w1', 'w\0', 'w2'].map((owner) => claimer.claim(requestOf(owner))))
  expect(claims.map((it) => (it.status === 'fulfilled' ? it.value.runs.length : it.status))).toEqual([1, 'rejected', 1])
})

test('claims of different queues, or of runs that are to begin later, do not share a statement', async () => {
  const { ctx, sql } = await testYard()
  await addJob(ctx, 'a')
  await times(ctx, 'a', 4)
  const claimer = makeClaimer(ctx)
  const answers = await Promise.all([
    claimer.claim(requestOf('w1')),
    claimer.claim(requestOf('w2', { into: 'dequeued' })),
    claimer.claim(requestOf('w3', { queues: ['other'] })),
    claimer.claim(requestOf('w4', { queues: ['other', 'default'] })),
  ])
  expect(answers.map(({ runs }) => runs.length)).toEqual([1, 1, 0, 1])
  const states = await sql<{ run_id: string; state: string }[]>`select run_id, state from run_states`
  const stateOf = new Map(states.map((it) => [it.run_id, it.state]))
  expect(answers.flatMap(({ runs }) => runs.map((run) => stateOf.get(run.runId)))).toEqual([
    'executing',
    'dequeued',
    'executing',
  ])
})
