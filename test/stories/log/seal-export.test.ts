import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { makePartitions } from '#log/partitions.sql.ts'
import { exportLog } from '#log/seals/export-log.ts'
import { verifyLog } from '#log/seals/verify-log.ts'
import { connect, type Sql } from '#postgres/sql.ts'
import { testDatabase } from '../../support/db.ts'
import { type Call, callerOf, httpYard, KEY, until } from '../../support/http-yard.ts'
import { askedThrough } from '../../support/log.ts'
import { startNode } from '../../support/processes.ts'
import { sealAll } from '../../support/seal-all.ts'

type SealYard = { call: Call; other: Call; sql: Sql }

/** Two projects with a log of two windows each. */
async function sealYard(): Promise<SealYard> {
  const { call, url, address } = await httpYard()
  const sql = connect(url, { max: 2 })
  onTestFinished(() => sql.end({ timeout: 1 }))
  const key = (await call('POST', '/v1/projects', { id: 'other' }, { key: KEY })).body.key
  const other = callerOf(address, key)
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  for (const window of [1, 2]) {
    await call('POST', '/v1/jobs/j/runs', { payload: window })
    await other('POST', '/v1/events', { type: 'noted', message: `secret ${window}` })
    const odd = { text: 'line\nfeed \u2028 é 𝄞 ,"data":{}', number: 0.1 }
    await call('POST', '/v1/events', { type: 'noted', message: odd.text, data: odd, duration_ms: 1 / 3 })
    await sealAll(sql)
  }
  return { call, other, sql }
}

const from = () => new Date(Date.now() - 3_600_000).toISOString()
const exported = async (call: Call): Promise<string> => (await call('GET', `/v1/events/export?from=${from()}`)).body

async function check(text: string, ...more: string[]): Promise<{ code: number; said: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'export-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, 'export.ndjson')
  await writeFile(file, text)
  return new Promise((resolve) => {
    execFile(process.execPath, ['docs/verify-export.mjs', file, ...more], { env: {} }, (error, out, err) =>
      resolve({ code: error ? Number(error.code) : 0, said: out + err }),
    )
  })
}

test('an export is verified by the script, which knows only the file', async () => {
  const { call } = await sealYard()
  const reply = await call('GET', `/v1/events/export?from=${from()}`)
  expect(reply.headers.get('content-type')).toBe('application/x-ndjson')
  expect(reply.headers.get('content-disposition')).toMatch(
    /^attachment; filename="runyard-events-default-[\d-]+\.ndjson"$/,
  )
  const lines = reply.body
    .trimEnd()
    .split('\n')
    .map((line: string) => JSON.parse(line))
  const events = lines.filter((it: { specversion?: string }) => it.specversion === '1.0')
  expect(events.map((it: { type: string }) => it.type)).toEqual([
    'job.created',
    'run.created',
    'noted',
    'run.created',
    'noted',
  ])
  expect(events[1]).toMatchObject({ source: '/projects/default', subject: `run/${events[1].runid}`, runsequence: '1' })
  expect(lines[0]).toMatchObject({ runyard_export: 1, first_seal: 1, last_seal: 2, windows_gone: 0 })
  expect(lines.at(-1)).toEqual({ end: true, windows: 2, events: 5 })

  const { seal } = (await call('GET', '/v1/events/seals/head')).body
  const sure = await check(reply.body, '--expect', seal.hash)
  expect(sure).toEqual({
    code: 0,
    said: `OK: 5 events of project default are what was sealed: seals 1 to 2, the last one ${seal.hash}\n`,
  })
  expect((await check(reply.body, '--expect', 'f'.repeat(64))).code).toBe(1)
})

test('a tampered export is refused, wherever the change is', async () => {
  const { call } = await sealYard()
  const text = await exported(call)
  const lines = text.split('\n')
  const without = (index: number) => lines.filter((_, at) => at !== index).join('\n')
  const changes: Record<string, string> = {
    'a changed number': text.replace('"number":0.1', '"number":0.2'),
    'a number that means the same': text.replace('"number":0.1', '"number":0.10'),
    'another actor': text.replace('"actortype":"api_key"', '"actortype":"user"'),
    'an event left out': without(2),
    'an event twice': [...lines.slice(0, 3), lines[2], ...lines.slice(3)].join('\n'),
    'two events exchanged': [...lines.slice(0, 1), lines[2], lines[1], ...lines.slice(3)].join('\n'),
    'a seal left out': without(4),
    'a changed seal': text.replace('"events":3,', '"events":2,'),
    'the last window cut off': [...lines.slice(0, 5), ...lines.slice(-2)].join('\n'),
    'the end cut off': lines.slice(0, -2).join('\n'),
    'half a line cut off': text.slice(0, -5),
    'something after the end': `${text}${lines[1]}\n`,
    'no header': without(0),
    nothing: '',
  }
  const passed: string[] = []
  for (const [change, changed] of Object.entries(changes)) {
    expect([change, changed === text]).toEqual([change, false])
    const { code, said } = await check(changed)
    if (code !== 1 || !/^NOT OK: .+\n$/.test(said)) passed.push(`${change}: ${said}`)
  }
  expect(passed).toEqual([])
})

test('an export has no event or seal of another project', async () => {
  const { call, other } = await sealYard()
  const [mine, others] = [await exported(call), await exported(other)]
  expect([mine.includes('secret'), others.includes('secret 2'), others.includes('run.created')]).toEqual([
    false,
    true,
    false,
  ])
  expect((await check(others)).said).toContain('3 events of project other')
  expect((await other('GET', '/v1/events/seals')).body.data.map((it: { project_id: string }) => it.project_id)).toEqual(
    ['other', 'other'],
  )
})

test('an export begins after what retention has deleted, and an empty export is valid', async () => {
  const { call, sql } = await sealYard()
  await sql`update seals set recorded_from = '2024-01-01T00:00:00Z' where number = 1`
  const text = await exported(call)
  expect(JSON.parse(text.split('\n')[0]!)).toMatchObject({ first_seal: 2, last_seal: 2, windows_gone: 1 })
  expect((await check(text)).said).toContain('OK: 2 events')
  const empty = await call('GET', '/v1/events/export?from=2024-01-01T00:00:00Z&to=2024-01-20T00:00:00Z')
  expect((await check(empty.body)).said).toContain('OK: 0 events of project default are what was sealed: no seals')
})

test('seals are listed newest first, and the head is the newest', async () => {
  const { call } = await sealYard()
  const first = (await call('GET', '/v1/events/seals?limit=1')).body
  const second = (await call('GET', `/v1/events/seals?limit=1&cursor=${first.next_cursor}`)).body
  expect([first.data[0].number, first.has_more, second.data[0].number, second.has_more]).toEqual([2, true, 1, false])
  expect((await call('GET', '/v1/events/seals/head')).body.seal).toEqual(first.data[0])
  expect(first.data[0].previous).toBe(second.data[0].hash)
})

test('a verification says what is wrong, and where', async () => {
  const { call, sql } = await sealYard()
  const { seal } = (await call('GET', '/v1/events/seals/head')).body
  const good = await call('GET', `/v1/events/verify?from_seal=1&from=${from()}`)
  expect([good.status, good.body.error.details.fields[0].field]).toEqual([422, 'from'])
  expect((await call('GET', '/v1/events/verify')).body).toMatchObject({
    ok: true,
    windows: 2,
    events: 5,
    sealed_until: seal.recorded_until,
    first_problem: null,
    last_seal: { number: 2, hash: seal.hash },
    next: null,
  })
  const pinned = (hash: string) => call('GET', `/v1/events/verify?from_seal=2&expect=${hash}`)
  expect((await pinned(seal.hash)).body).toMatchObject({ ok: true, windows: 0 })
  expect((await pinned('f'.repeat(64))).body.first_problem).toMatchObject({ reason: 'head_differs', seal: 2 })
  await sql`update events set message = 'never' where position = (select max(position) from events where project_id = 'default')`
  expect((await call('GET', '/v1/events/verify')).body).toMatchObject({
    ok: false,
    windows: 1,
    first_problem: {
      reason: 'events_differ',
      seal: 2,
      events_sealed: 2,
      events_found: 2,
      until_position: seal.until_position,
    },
  })
})

test('an invalid request is told which field is wrong', async () => {
  const { call } = await httpYard()
  const fieldOf = async (path: string) => (await call('GET', path)).body.error.details.fields[0].field
  expect(await fieldOf('/v1/events/export')).toBe('from')
  expect(await fieldOf('/v1/events/export?from=2024-01-01T00:00:00Z&to=2024-03-01T00:00:00Z')).toBe('to')
  expect(await fieldOf('/v1/events/export?from=2024-01-02T00:00:00Z&to=2024-01-01T00:00:00Z')).toBe('to')
  expect(await fieldOf(`/v1/events/verify?expect=${'a'.repeat(64)}`)).toBe('expect')
  expect(await fieldOf('/v1/events/verify?from_seal=1&expect=no')).toBe('expect')
  expect((await call('GET', '/v1/events/seals/head')).body).toEqual({ seal: null })
  expect((await call('GET', '/v1/events/verify')).body).toMatchObject({ ok: true, last_seal: null })
  expect((await call('GET', '/v1/events/verify?from_seal=1')).body.first_problem.reason).toBe('head_differs')
})

test('a node that is killed while sealing leaves whole windows, and the next one continues', {
  timeout: 120_000,
}, async () => {
  const { sql, url } = await testDatabase()
  await makePartitions(sql)
  await sql`insert into events (id, project_id, type, occurred_at, actor_type, correlation_id)
    select gen_random_uuid(), 'default', 'noted', now(), 'system', 'c' from generate_series(1, 150000)`
  const sealed = async () => (await sql<{ n: number }[]>`select coalesce(sum(events), 0)::int as n from seals`)[0]!.n
  const env = { DATABASE_URL: url, PORT: '0', RUNYARD_API_KEY: KEY }
  for (let before = 0, round = 0; round < 3; round++) {
    const node = startNode('test/support/node-process.ts', [], { env })
    before = await until(sealed, (n) => n > before, 20_000)
    await node.kill()
  }
  const left = await sealed()
  expect(left).toBeLessThan(150_000)
  await sealAll(sql)
  const [log] = await sql<{ n: number }[]>`select count(*)::int as n from events`
  expect(await sealed()).toBe(log!.n)
  const verdict = await verifyLog({ reads: sql }, { projectId: 'default' })
  expect([verdict.problem, verdict.events]).toEqual([null, log!.n])
})

test('an export reads on only when its client has taken what was read, and stops when the client has left', async () => {
  const { sql, url } = await testDatabase()
  await makePartitions(sql)
  await sql`insert into events (id, project_id, type, occurred_at, actor_type, correlation_id)
    select gen_random_uuid(), 'default', 'noted', now(), 'system', 'c' from generate_series(1, 50000)`
  await sealAll(sql)
  const { sql: reads, asked } = askedThrough(url)
  const pages = () => asked.filter(({ text }) => text.includes('specversion')).length
  const span = { projectId: 'default', from: new Date(Date.now() - 3_600_000), to: new Date(Date.now() + 3_600_000) }
  const stream = Readable.from(exportLog({ reads }, span), { objectMode: false })
  await until(
    async () => {
      stream.read(100)
      return pages()
    },
    (n) => n > 0,
  )
  for (let i = 0; i < 50; i++) await reads`select 1`
  const before = pages()
  expect(before).toBeLessThan(4)
  stream.destroy()
  for (let i = 0; i < 50; i++) await reads`select 1`
  expect([stream.destroyed, pages()]).toEqual([true, before])
})
