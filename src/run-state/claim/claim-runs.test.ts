// Priority within a project, beside limits and however many lanes there are; see decision 0007.
import { expect, test } from 'vitest'
import { type Claimer, makeClaimer } from '#runs/attempts/claimer.ts'
import type { RunRequest } from '#runs/trigger/run-request.ts'
import { triggerRuns } from '#runs/trigger/trigger-runs.ts'
import { addJob, ORIGIN, TESTER, testYard, type Yard } from '../../../test/support/yard.ts'
import { moveRuns } from '../move/move-runs.sql.ts'
import type { ClaimedRun } from './claim-runs.sql.ts'

const REQUEST = {
  projectId: 'default',
  queues: ['default'],
  owner: 'w',
  actor: { type: 'worker', id: 'w' },
  leaseSecs: 60,
  into: 'executing',
} as const

const trigger = async ({ ctx }: Yard, job: string, requests: RunRequest[]): Promise<void> => {
  for (let at = 0; at < requests.length; at += 500)
    for (const it of await triggerRuns(ctx, job, requests.slice(at, at + 500), ORIGIN))
      if (it instanceof Error) throw it
}

const times = (count: number, request: (nth: number) => RunRequest): RunRequest[] =>
  Array.from({ length: count }, (_, nth) => request(nth))

/** Claims until nothing comes. */
async function claimAll(claimer: Claimer, limit: number): Promise<ClaimedRun[][]> {
  const claims: ClaimedRun[][] = []
  for (;;) {
    const { runs, lookAgain } = await claimer.claim({ ...REQUEST, limit })
    if (runs.length === 0 && !lookAgain) return claims
    if (runs.length > 0) claims.push(runs)
  }
}

const ranksOf = (claims: ClaimedRun[][]): number[] => claims.flat().map((run) => run.rank)

test('an urgent run of a job with a concurrency limit is claimed first as long as the limit has room', async () => {
  const yard = await testYard()
  await addJob(yard.ctx, 'limited', { maxConcurrency: 3 })
  await addJob(yard.ctx, 'free')
  await trigger(
    yard,
    'free',
    times(4, () => ({ priority: 0 })),
  )
  await trigger(
    yard,
    'limited',
    times(5, () => ({ priority: 10 })),
  )
  const claimer = makeClaimer(yard.ctx)
  const one = async () => (await claimer.claim({ ...REQUEST, limit: 1 })).runs[0]!
  const first = [await one(), await one(), await one()]
  expect(first.map((run) => run.rank)).toEqual([-10, -10, -10])
  // The limit is reached: what is less urgent need not wait for it.
  expect((await one()).rank).toBe(0)
  expect((await one()).rank).toBe(0)
  await moveRuns(yard.sql, [{ runId: first[0]!.runId, move: 'complete', actor: TESTER }])
  expect((await one()).rank).toBe(-10)
  expect((await one()).rank).toBe(0)
})

test('an urgent run with a concurrency key is claimed first as well, and a less urgent one is not', async () => {
  const yard = await testYard()
  await addJob(yard.ctx, 'limited', { maxConcurrencyPerKey: 1 })
  await addJob(yard.ctx, 'free')
  await trigger(yard, 'free', [{ priority: 5 }, { priority: 0 }])
  await trigger(yard, 'limited', [
    { priority: 10, concurrencyKey: 'a' },
    { priority: 10, concurrencyKey: 'a' },
    { priority: 3, concurrencyKey: 'b' },
  ])
  expect(ranksOf(await claimAll(makeClaimer(yard.ctx), 1))).toEqual([-10, -5, -3, 0])
})

test('a claim does not end empty because another claimer is taking the more urgent runs of a limited job', async () => {
  const yard = await testYard()
  const limited = await addJob(yard.ctx, 'limited', { maxConcurrency: 3 })
  await addJob(yard.ctx, 'free')
  await trigger(yard, 'free', [{ priority: 0 }])
  await trigger(yard, 'limited', [{ priority: 10 }])
  const claimer = makeClaimer(yard.ctx)
  await yard.sql.begin(async (other) => {
    await other`select pg_advisory_xact_lock(hashtextextended(${limited.id}::text, 1))`
    const { runs } = await claimer.claim({ ...REQUEST, limit: 2 })
    expect(runs.map((run) => run.rank)).toEqual([0])
  })
  expect((await claimer.claim({ ...REQUEST, limit: 2 })).runs.map((run) => run.rank)).toEqual([-10])
})

for (const [kind, definition] of [
  ['without a limit', {}],
  ['with a limit by key', { maxConcurrencyPerKey: 2 }],
] as const)
  test(`priority holds with more lanes than one claim looks at, of a job ${kind}`, async () => {
    const yard = await testYard()
    await addJob(yard.ctx, 'j', definition)
    await trigger(
      yard,
      'j',
      times(700, (nth) => ({ priority: 0, concurrencyKey: `low ${nth}` })),
    )
    await trigger(
      yard,
      'j',
      times(700, (nth) => ({ priority: 10, concurrencyKey: `high ${nth}` })),
    )
    const ranks = ranksOf(await claimAll(makeClaimer(yard.ctx), 50))
    expect(ranks).toHaveLength(1_400)
    expect(ranks.slice(0, 700).every((rank) => rank === -10)).toBe(true)
  })

test('an urgent run that arrives while a claimer is deep in the lanes is claimed next', async () => {
  const yard = await testYard()
  await addJob(yard.ctx, 'j')
  await trigger(
    yard,
    'j',
    times(900, (nth) => ({ priority: 0, concurrencyKey: `low ${nth}` })),
  )
  const claimer = makeClaimer(yard.ctx)
  for (let claims = 0; claims < 6; claims++) {
    await claimer.claim({ ...REQUEST, limit: 10 })
    await trigger(yard, 'j', [{ priority: 10 }])
    const { runs } = await claimer.claim({ ...REQUEST, limit: 10 })
    expect(runs.map((run) => run.rank)).toEqual([-10])
  }
})

test('lanes beyond those that one claim examines get their turns like the first ones', async () => {
  const yard = await testYard()
  await addJob(yard.ctx, 'j')
  await trigger(
    yard,
    'j',
    times(1_800, (nth) => ({ concurrencyKey: `key ${nth % 600}` })),
  )
  const claimer = makeClaimer(yard.ctx)
  const served = new Map<string, number>()
  for (let claims = 0; claims < 12; claims++)
    for (const { runId } of (await claimer.claim({ ...REQUEST, limit: 50 })).runs) {
      const [run] = await yard.sql<{ key: string }[]>`select concurrency_key as key from runs where id = ${runId}`
      served.set(run!.key, (served.get(run!.key) ?? 0) + 1)
    }
  // The first 256 of the 600 lanes have about their share, and no more.
  const [early] = await yard.sql<{ n: number }[]>`
    select count(*)::int as n from (select distinct concurrency_key from runs order by 1 limit 256) first
    where concurrency_key = any(${[...served.keys()]}::text[])`
  expect(served.size).toBeGreaterThan(150)
  expect(early!.n).toBeLessThan(served.size * 0.6)
})
