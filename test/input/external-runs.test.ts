// A run that somebody else executes, in the hands of every control that was made for runs of ours.
import { expect, test } from 'vitest'
import type { Route } from '#contract/route.ts'
import { ROUTES } from '#contract/routes.ts'
import { DYNAMIQ_ROUTES } from '#dialects/dynamiq/contract.ts'
import { RUN_ROUTES as ONCE_ROUTES } from '#dialects/onceonly/runs-contract.ts'
import { RUN_ROUTES as STRAIT_ROUTES } from '#dialects/strait/runs-control-contract.ts'
import { SDK_ROUTES } from '#dialects/strait/sdk-course-contract.ts'
import { type Call, httpYard } from '../support/http-yard.ts'

const SURFACES: Record<string, readonly Route[]> = {
  '': ROUTES,
  '/strait': [...STRAIT_ROUTES, ...SDK_ROUTES],
  '/dynamiq': DYNAMIQ_ROUTES,
  '/onceonly': ONCE_ROUTES,
}

const BODIES: Record<string, object> = {
  rescheduleRun: { scheduled_at: '2099-01-01T00:00:00Z', payload: 1 },
  debugRun: { debug_mode: true },
  restartRun: { preset: 'micro' },
  sendInput: { type: 'approval_request', data: { request_id: crypto.randomUUID(), is_approved: true } },
}

/** One external run that is under way, and one that is over. */
async function externalRuns(call: Call): Promise<string[]> {
  const report = (run_id: string, type: string) => call('POST', '/v1/events', { run_id, type })
  for (const [id, type] of [
    ['under-way', 'run.progressed'],
    ['over', 'run.failed'],
  ] as const)
    expect((await report(id, type)).status).toBe(201)
  return ['under-way', 'over']
}

test('every route about a run works for an external one, without a failure', { timeout: 60_000 }, async () => {
  const { call } = await httpYard()
  const asked: string[] = []
  for (const id of await externalRuns(call))
    for (const [mount, routes] of Object.entries(SURFACES))
      for (const { method, path, name, body } of routes) {
        // A stream of a run that is under way does not end by itself.
        if (!path.includes(':run_id') || path.includes('stream')) continue
        const at = mount + path.replace(':run_id', id).replaceAll(/:\w+/g, '1')
        for (const sent of body ? [{}, BODIES[name] ?? {}] : [undefined]) {
          const reply = await call(method, at, sent)
          expect(reply.status, `${method} ${at}: ${JSON.stringify(reply.body)}`).toBeLessThan(500)
          asked.push(at)
        }
      }
  expect(asked.length).toBeGreaterThan(100)
})

test('an external run cannot be paused, restarted or replayed here, and the response says who executes it', async () => {
  const { call } = await httpYard()
  await externalRuns(call)
  for (const control of ['pause', 'restart']) {
    for (const [id, code] of [
      ['under-way', 'run_external'],
      ['over', 'run_over'],
    ] as const) {
      const reply = await call('POST', `/v1/runs/${id}/${control}`)
      expect([reply.status, reply.body.error.code], `${control} ${id}`).toEqual([409, code])
    }
  }
  const restarted = await call('POST', '/v1/runs/under-way/restart', { preset: 'micro' })
  expect(restarted).toMatchObject({
    status: 409,
    body: {
      error: { code: 'run_external', message: 'Run under-way is executed externally; only its executor can do that.' },
    },
  })
  expect((await call('POST', '/v1/runs/over/replay')).status).toBe(409)
  const bulk = await call('POST', '/v1/runs/bulk-replay', { run_ids: ['over', 'under-way'] })
  expect(bulk.body.results.map((it: { error: { code: string } }) => it.error.code)).toEqual([
    'job_external',
    'wrong_state',
  ])
  // Strait's page has 400 for a run that is not where the control needs it.
  for (const control of ['restart', 'pause'])
    expect((await call('POST', `/strait/v1/runs/under-way/${control}`, {})).status, control).toBe(400)
  expect((await call('GET', '/v1/runs/under-way')).body.status).toBe('executing')
})

test('what an external run says of its end does not change what its end is', async () => {
  const { call } = await httpYard()
  for (const state of ['queued', 'toString']) {
    await call('POST', '/v1/events', { run_id: state, type: 'step' })
    await call('POST', '/v1/events', { run_id: state, type: 'run.failed', data: { state, error: 'no luck' } })
    const { status, body } = await call('GET', `/v1/runs/${state}/timeline`)
    expect(status).toBe(200)
    const told = body.spans.kind.map((kind: string, at: number) => `${kind} ${body.texts[body.spans.status[at]]}`)
    expect(told).toEqual(['attempt failed', 'execute completed'])
  }
})
