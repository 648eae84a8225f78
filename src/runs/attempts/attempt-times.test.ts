import { expect, test } from 'vitest'
import { makeAttemptTimes } from './attempt-times.ts'

const claim = (jobId: string, token: string) => ({ jobId, token, queueWaitMs: 40 })

test('waits, attempts and retries are counted by job', () => {
  let nowMs = 0
  const times = makeAttemptTimes(() => nowMs)
  times.claimed(claim('a', 't1'))
  times.claimed(claim('a', 't2'))
  nowMs = 3_000
  times.ended({ token: 't1', isRetried: true })
  times.ended({ token: 't2', isRetried: false })
  times.ended({ token: 't2', isRetried: false })
  const [a, ...rest] = times.read()
  expect(a).toMatchObject({ jobId: 'a', retries: 1, waits: { count: 2 }, attempts: { count: 2, sum: 6 } })
  expect(rest).toEqual([])
})

test('an attempt that another node handed out counts as a retry, and has no duration', () => {
  const times = makeAttemptTimes()
  times.ended({ token: 'theirs', jobId: 'a', isRetried: true })
  times.ended({ token: 'unknown', isRetried: true })
  expect(times.read()).toMatchObject([
    { jobId: 'a', retries: 1, attempts: { count: 0 } },
    { jobId: null, retries: 1, attempts: { count: 0 } },
  ])
})

test('the hundred busiest jobs are shown by name and stay so, and nothing of the others is lost', () => {
  const times = makeAttemptTimes(() => 0)
  const claimOf = (job: number) => times.claimed(claim(`job-${job}`, `${job}-${Math.random()}`))
  for (let job = 0; job < 1_200; job++) claimOf(job)
  for (let job = 500; job < 600; job++) claimOf(job)
  const first = times.read()
  const names = first.map(({ jobId }) => jobId)
  expect([first.length, names.includes('job-500'), names.includes('job-0')]).toEqual([101, true, false])
  for (let n = 0; n < 5; n++) claimOf(0)
  const second = times.read()
  expect(second.map(({ jobId }) => jobId)).toEqual(names)
  expect(second.reduce((sum, { waits }) => sum + waits.count, 0)).toBe(1_305)
})
