import { expect, test } from 'vitest'
import { appendEvents } from '#contract/events.ts'
import { createJob, getJobVersion } from '#contract/jobs.ts'
import { cancelRun } from '#contract/runs/run-controls.ts'
import { getRun, listRuns, triggerRun } from '#contract/runs/runs.ts'
import { requestOf } from './request.ts'

test('the path gets its parameters, encoded, and the body gets the rest', () => {
  const input = { job: 'a b/ü', payload: { n: 1 }, tags: { team: 'x' } }
  expect(requestOf(triggerRun, input)).toEqual({
    method: 'POST',
    target: '/v1/jobs/a%20b%2F%C3%BC/runs',
    body: JSON.stringify({ payload: { n: 1 }, tags: { team: 'x' } }),
  })
  expect(requestOf(getJobVersion, { job: 'report', version: 3 }).target).toBe('/v1/jobs/report/versions/3')
})

test('lists in a query are repeated, and undefined values are left out', () => {
  const { target, body } = requestOf(listRuns, { status: ['queued', 'delayed'], tag: ['a:b c', 'd'], limit: 5 })
  expect(target).toBe('/v1/runs?status=queued&status=delayed&tag=a%3Ab+c&tag=d&limit=5')
  expect(body).toBeUndefined()
  expect(requestOf(listRuns, { tag: [], job: undefined }).target).toBe('/v1/runs')
})

test('an empty list that differs from no list is sent as empty', () => {
  expect(requestOf(getRun, { run_id: 'r', include: [] }).target).toBe('/v1/runs/r?include=')
})

test('an optional body is not sent when it is empty', () => {
  expect(requestOf(cancelRun, { run_id: 'r' }).body).toBeUndefined()
  expect(requestOf(cancelRun, { run_id: 'r', reason: 'why' }).body).toBe('{"reason":"why"}')
  expect(requestOf(createJob, {}).body).toBe('{}')
})

test('a body that is not an object is sent as it is', () => {
  expect(requestOf(appendEvents, { events: [{ type: 'a.b' }] }).body).toBe('[{"type":"a.b"}]')
})

test.each(['', '.', '..', undefined])(
  'a path parameter %j is refused, because the URL would lead elsewhere',
  (runId) => {
    expect(() => requestOf(getRun, { run_id: runId })).toThrow('run_id')
  },
)
