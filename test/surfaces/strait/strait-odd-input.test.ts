// Whatever is sent to Strait's run operations, it is never a fault of ours, and what is refused is refused in its shape.
import { expect, test } from 'vitest'
import type { Route } from '#contract/route.ts'
import { RUN_ROUTES } from '#dialects/strait/runs-control-contract.ts'
import { SDK_ROUTES } from '#dialects/strait/sdk-course-contract.ts'
import { addWorkerJob, executing } from '../../support/strait-attempts.ts'
import { straitYard } from '../../support/strait-yard.ts'

const LONG = 'x'.repeat(3_000)
const TEXTS = ['', ' ', '0', '-1', '1e400', '99999999999999999999', 'null', '[]', '%00', '\u{1f600}', LONG, "'; --"]
const TIMES = [
  '2026-02-30T00:00:00Z',
  '0000-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999999999+14:00',
  '1900-01-01T00:00:00Z',
]
const CURSORS = [
  'W10',
  Buffer.from(JSON.stringify(['strait-runs', '2026-99-99T00:00:00Z', 'x'])).toString('base64url'),
  Buffer.from(JSON.stringify(['strait-events', 1e30])).toString('base64url'),
  Buffer.from(JSON.stringify(['strait-state', 'a\u0000'])).toString('base64url'),
]
const VALUES = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  '',
  'x',
  LONG,
  [],
  [null],
  [[]],
  {},
  { a: { b: null } },
  'a\u0000b',
  '\ud800',
]

const namesOf = (schema: unknown): string[] =>
  Object.keys((schema as { properties?: object } | undefined)?.properties ?? {})

/** The least that each operation takes, so that one odd field among good ones is what is looked at. */
const GOOD: Record<string, Record<string, unknown>> = {
  cancelRuns: { run_ids: ['x'] },
  replayRuns: { run_ids: ['x'] },
  redriveRuns: { run_ids: ['x'] },
  cancelMatching: { status: 'paused' },
  rescheduleRun: { scheduled_at: '2026-01-31T09:30:00Z' },
  logRun: { message: 'x' },
  progressRun: { percent: 1 },
  annotateRun: { annotations: {} },
  checkpointRun: { state: 1 },
  usageRun: { provider: 'p', model: 'm' },
  toolCallRun: { tool_name: 't' },
  outputRun: { output_key: 'k', value: 1 },
  spawnRun: { job_slug: 'j' },
  waitForEventRun: { event_key: 'k' },
  stateRun: { key: 'k', value: 1 },
  streamChunk: { chunk: 'x' },
}
/** They would end the run that the others are tried on, or put it to rest. */
const ENDINGS = new Set(['completeRun', 'failRun', 'waitForEventRun', 'cancelRun', 'pauseRun', 'restartRun'])

function* oddCallsOf(route: Route, runId: string): Generator<{ path: string; body: unknown }> {
  const good = GOOD[route.name] ?? {}
  const here = route.path.replace(':run_id', runId).replace(':key', 'k')
  const query = namesOf(route.query).includes('project_id') ? '?project_id=default' : '?'
  const body = route.body && good
  if (route.needs !== 'run_token')
    for (const text of TEXTS) yield { path: route.path.replace(':run_id', encodeURIComponent(text)) + query, body }
  for (const name of namesOf(route.query)) {
    for (const text of [...TEXTS, ...TIMES, ...CURSORS]) {
      yield { path: `${here}${query}&${name}=${encodeURIComponent(text)}`, body }
      yield { path: `${here}${query}&${name}=${encodeURIComponent(text)}&${name}=x`, body }
    }
    yield { path: `${here}${query}&${name}=%00`, body }
  }
  if (!route.body || ENDINGS.has(route.name)) return
  for (const name of namesOf(route.body))
    for (const value of VALUES)
      if (name !== 'await_completion' || value !== true) yield { path: here + query, body: { ...good, [name]: value } }
  for (const whole of [...VALUES, '{', '"', '[1,', '\u0000']) yield { path: here + query, body: JSON.stringify(whole) }
}

test('no odd path, query or body causes a 500', { timeout: 240_000 }, async () => {
  const { call, native } = await straitYard()
  await addWorkerJob(native, 'j')
  const attempt = await executing(native, call, 'j')
  const faults: string[] = []
  let tried = 0
  for (const route of [...RUN_ROUTES, ...SDK_ROUTES]) {
    if (route.stream) continue
    const key = route.needs === 'run_token' ? { key: attempt.token } : {}
    for (const { path, body } of oddCallsOf(route, attempt.runId)) {
      const reply = await call(route.method, path, body, key)
      tried++
      const isShaped = reply.status < 400 || (typeof reply.body.error === 'string' && reply.body.request_id)
      if (reply.status < 500 && isShaped) continue
      faults.push(`${route.method} ${path.slice(0, 200)} ${JSON.stringify(body)?.slice(0, 200)}: ${reply.status}`)
    }
  }
  expect(faults).toEqual([])
  expect(tried).toBeGreaterThan(1_500)
  // All of them were tried on an attempt that was under way.
  expect((await attempt.sdk('POST', '/heartbeat')).status).toBe(200)
})
