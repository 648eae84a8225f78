import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { debuggedRun, IN_URL, PASSWORD, zipOf } from '../../support/builders/debugged-run.ts'
import { httpYard } from '../../support/http-yard.ts'

test('no secret is in the bundle, its files, the attempts, the log or the records', async () => {
  const { call, address, id, seen, database } = await debuggedRun()
  const sql = connect(database)
  const [job] = await sql`select signing_secret from jobs`
  const kept = await sql`select * from run_dispatches`
  const logged = await sql`select * from events`
  await sql.end()
  const zip = await zipOf(address, id)
  const everything = [
    ...Object.entries(zip).flat(),
    JSON.stringify([
      kept,
      logged,
      (await call('GET', `/v1/runs/${id}/debug-bundle`)).body,
      (await call('GET', `/v1/runs/${id}/attempts`)).body,
      (await call('GET', '/v1/events?limit=500')).body,
    ]),
  ]
  expect(kept).toHaveLength(2)
  const secrets = [
    PASSWORD,
    IN_URL,
    'a-session-of-the-endpoint',
    job!.signing_secret,
    ...seen.flatMap((headers) => [headers['x-run-token']!, headers['webhook-signature']!]),
  ]
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(8)
    expect(everything.filter((text) => text.includes(secret))).toEqual([])
  }
})

test('the debug bundle has everything about a run, as JSON and as files', async () => {
  const { call, address, id } = await debuggedRun()
  const { body: bundle } = await call('GET', `/v1/runs/${id}/debug-bundle`)
  expect(bundle).toMatchObject({
    debug_mode: true,
    truncated: [],
    run: { id, status: 'completed', payload: { a: 1 }, result: { fine: true } },
    why: { reason: 'over' },
    job_version: { definition: { slug: 'echo', endpoint_headers: { Authorization: '********', 'X-Plain': 'plain' } } },
    checkpoints: [{ run_id: id, number: 1, state: { step: 1 } }],
    tool_calls: [{ tool_name: 'search', input: { q: 'x' }, output: [1] }],
    usage: [{ total_tokens: 7 }],
    usage_totals: { calls: 1, total_tokens: 7, cost_microusd: 5 },
    outputs: [{ output_key: 'report', value: 'done' }],
    state: [{ key: 'k', value: { v: 1 } }],
    children: [],
    lineage: [{ id, status: 'completed' }],
    deltas: [],
  })
  expect(bundle.attempts.map((it: { dispatch_id: string }) => it.dispatch_id)).toEqual(
    bundle.dispatches.map((it: { id: string }) => it.id),
  )
  const { body: log } = await call('GET', `/v1/runs/${id}/events?limit=500`)
  expect(bundle.events).toEqual(log.data)
  const files = await zipOf(address, id, '', 'application/zip')
  const read = (name: string) => JSON.parse(files[name]!)
  for (const part of [
    'run',
    'why',
    'job_version',
    'attempts',
    'dispatches',
    'checkpoints',
    'tool_calls',
    'usage',
    'usage_totals',
    'outputs',
    'state',
    'children',
    'lineage',
  ])
    expect(read(`${part}.json`), part).toEqual(bundle[part])
  expect(
    files['events.ndjson']!.trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual(bundle.events)
  expect(files['deltas.ndjson']).toBe('')
  expect(files['README.txt']).toContain('Debug mode was on')
  expect(files['README.txt']).toContain(id)
})

test("another project's run has neither attempts nor a bundle, and a strange id makes a plain file name", async () => {
  const { call, address } = await httpYard()
  for (const path of ['attempts', 'debug-bundle', 'debug-bundle?format=zip'])
    expect(await call('GET', `/v1/runs/nobodys/${path}`)).toMatchObject({
      status: 404,
      body: { error: { code: 'run_not_found' } },
    })
  const strange = '../../"run"; x: ü'
  expect((await call('POST', '/v1/events', { type: 'step.done', run_id: strange })).status).toBe(201)
  const files = await zipOf(address, encodeURIComponent(strange))
  expect(JSON.parse(files['run.json']!)).toMatchObject({ id: strange, execution: 'external' })
  expect(Object.keys(files).every((name) => /^[A-Za-z_]+\.(json|ndjson|txt)$/.test(name))).toBe(true)
})
