// The timeline of a run over HTTP: spans in columns, what changed since, and what it costs for fifty thousand events.
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { type Call, codeOf, httpYard, KEY, trigger } from '../../support/http-yard.ts'

type Row = { kind: string; name: string; status: string; sequence: number; note: string | null; ref: string | null }

const textAt = (texts: string[], at: number | null) => (at === null ? null : texts[at]!)

// biome-ignore lint/suspicious/noExplicitAny: a reply is whatever the test says it is.
const rowsOf = ({ texts, spans }: any): Row[] =>
  spans.kind.map((kind: string, at: number) => ({
    kind,
    sequence: spans.sequence[at],
    name: textAt(texts, spans.name[at]),
    status: textAt(texts, spans.status[at]),
    note: textAt(texts, spans.note[at]),
    ref: textAt(texts, spans.ref[at]),
  }))
const brief = (rows: Row[]) => rows.map(({ kind, name, status }) => `${kind} ${name} ${status}`)

async function claimed(call: Call) {
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker', queue: 'j' })
  const run = await trigger(call, 'j')
  const claim = await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: ['j'] })
  const { run_token: key, lease_token } = claim.body.runs[0]
  return { run, key, lease_token }
}

test('a timeline has the attempts, steps, calls, questions and children of a run, and then only what changed', async () => {
  const { call } = await httpYard()
  const { run, key } = await claimed(call)
  const of = (path: string, body: object) => call('POST', `/v1/runs/${run.id}/${path}`, body, { key })
  await of('progress', { percent: 10, step: 'plan', message: 'Make a plan' })
  await of('tool-call', { tool_name: 'search', step: 'plan', input: { secret: 'x' }, output: {}, status: 'failed' })
  await of('usage', { provider: 'openai', model: 'gpt-5', prompt_tokens: 10, completion_tokens: 2 })
  await of('input-requests', { kind: 'approval', prompt: 'May I?', params: {}, wait: false })
  await call('POST', '/v1/jobs', { slug: 'child', execution: 'worker', queue: 'children' })
  const child = await of('spawn', { job: 'child', payload: {} })
  const first = await call('GET', `/v1/runs/${run.id}/timeline`)
  expect(brief(rowsOf(first.body))).toEqual([
    'attempt Attempt 1 executing',
    'queue queued completed',
    'execute executing open',
    'step plan open',
    'tool search failed',
    'model gpt-5 completed',
    'question approval open',
    'child child open',
  ])
  expect(first.body.children).toMatchObject([{ run_id: child.body.id, job_slug: 'child', status: 'queued' }])
  expect(first.body.spans.tokens[5]).toBe(12)
  expect(JSON.stringify(first.body)).not.toContain('secret')
  expect(first.body.has_more).toBe(false)

  const [question] = (await call('GET', `/v1/runs/${run.id}/input-requests`)).body.data
  await call('POST', `/v1/input-requests/${question.id}/answer`, { approved: true })
  const after = first.body.last_sequence
  const later = await call('GET', `/v1/runs/${run.id}/timeline?after_sequence=${after}`)
  expect(brief(rowsOf(later.body))).toEqual(['question approval answered'])
  expect(rowsOf(later.body)[0]!.sequence).toBe(rowsOf(first.body)[6]!.sequence)
  expect(later.body.last_sequence).toBeGreaterThan(after)
})

test('a run that fails says why, to its own token too, and to no other project', async () => {
  const { call } = await httpYard()
  const { run, lease_token } = await claimed(call)
  const settlement = { run_id: run.id, lease_token, outcome: 'failed', error: 'no answer', retryable: false }
  await call('POST', '/v1/workers/settle', { settlements: [settlement] })
  const { body } = await call('GET', `/v1/runs/${run.id}/timeline`)
  expect(rowsOf(body)[0]).toMatchObject({ kind: 'attempt', status: 'failed', note: 'no answer' })
  const other = await call('POST', '/v1/projects', { id: 'other', name: 'Other' })
  const key = other.body.key.key ?? other.body.key
  expect(codeOf(await call('GET', `/v1/runs/${run.id}/timeline`, undefined, { key }))).toBe('run_not_found')
  const refused = await call('GET', `/v1/runs/${run.id}/timeline?after_sequence=-1`)
  expect(refused.body.error.details.fields[0].field).toBe('after_sequence')
})

test('fifty thousand events are less than a megabyte, in pages that leave none out', { timeout: 120_000 }, async () => {
  const { call, url, address } = await httpYard()
  const { run } = await claimed(call)
  const sql = connect(url)
  await sql`
    insert into events (id, project_id, type, occurred_at, actor_type, correlation_id, run_id, sequence, attempt, tool,
      duration_ms, data)
    select gen_random_uuid(), 'default', case when i % 3 = 0 then 'usage.recorded' else 'agent.tool_call.completed' end,
      now() + i * interval '137 ms' + (i % 7) * interval '11 ms', 'worker', 'c', ${run.id}::uuid, i + 2, 1,
      'tool-' || i % 20, i % 900, jsonb_build_object('model', 'gpt-5', 'total_tokens', i % 3000, 'input', repeat('x', 200))
    from generate_series(1, 50100) i`
  await sql`update run_states set last_sequence = 50102 where run_id = ${run.id}`
  await sql.end()
  const read = async (after: number) => {
    const response = await fetch(`${address}/v1/runs/${run.id}/timeline?after_sequence=${after}`, {
      headers: { authorization: `Bearer ${KEY}`, 'accept-encoding': 'gzip' },
    })
    expect(response.status).toBe(200)
    return response.json() as Promise<{ has_more: boolean; last_sequence: number; spans: { kind: string[] } }>
  }
  const first = await read(0)
  expect(first.has_more).toBe(true)
  const second = await read(first.last_sequence)
  expect(second.has_more).toBe(false)
  expect(second.last_sequence).toBe(50_102)
  const calls = [first, second].flatMap(({ spans }) => spans.kind.filter((kind) => kind === 'tool' || kind === 'model'))
  expect(calls).toHaveLength(50_100)
  expect(await compressedBytes(`${address}/v1/runs/${run.id}/timeline`)).toBeLessThan(1_000_000)
})

/** As they come over the network, which fetch does not tell. */
async function compressedBytes(url: string): Promise<number> {
  const { get } = await import('node:http')
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    get(url, { headers: { authorization: `Bearer ${KEY}`, 'accept-encoding': 'gzip' } }, async (response) => {
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk as Buffer)
      resolve(Buffer.concat(chunks))
    }).on('error', reject)
  })
  expect(JSON.parse(gunzipSync(bytes).toString()).spans.kind.length).toBeGreaterThan(49_000)
  return bytes.length
}
