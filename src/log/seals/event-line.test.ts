import { expect, test } from 'vitest'
import type { Db } from '#postgres/sql.ts'
import { testDatabase } from '#test/support/db.ts'
import { eventLine } from './event-line.sql.ts'

const lineOf = async (sql: Db, row: object): Promise<string> => {
  const [made] = await sql<{ line: string }[]>`
    select ${eventLine(sql)} as line from jsonb_populate_record(null::events, ${JSON.stringify(row)}::text::jsonb)`
  return made!.line
}

test('the line of an event, which its seal hashes, never changes', async () => {
  const { sql } = await testDatabase()
  expect(await lineOf(sql, FULL)).toBe(
    '{"specversion":"1.0","id":"018f0000-0000-7000-8000-000000000001","source":"/projects/p1","type":"t1","subject":"r1/r1",' +
      '"time":"2026-01-01T00:00:00Z","recordedtime":"2026-01-01T00:00:00.000001Z","position":"1","xid":"1","actortype":"a1",' +
      '"actorid":"a1","resourcetype":"r1","resourceid":"r1","correlationid":"c1",' +
      '"causationid":"018f0000-0000-7000-8000-000000000001","runid":"018f0000-0000-7000-8000-000000000001","runref":"r1",' +
      '"runsequence":"1","attempt":1,"step":"s1","tool":"t1","agentid":"a1","reqid":"r1","leaseid":"l1","level":"l1",' +
      '"status":"s1","message":"m1","durationms":"1","datacontenttype":"application/json","data":{"n": 1}}',
  )
})

test('the line of an event is JSON whatever the event says, and keeps what a parser would lose', async () => {
  const { sql } = await testDatabase()
  const odd = 'quote " backslash \\ line\nfeed \u2028 \u0001 é 𝄞 ,"data":{}'
  const line = await lineOf(sql, { ...FULL, message: odd, tool: odd, run_ref: odd, duration_ms: 0.1, step: null })
  expect(JSON.parse(line)).toMatchObject({ message: odd, tool: odd, runref: odd, durationms: '0.1', data: { n: 1 } })
  expect([line.includes('\n'), line.includes('"step"')]).toEqual([false, false])
  const [exact] = await sql<{ line: string }[]>`
    select ${eventLine(sql)} as line from jsonb_populate_record(null::events, ${JSON.stringify(FULL)}::text::jsonb - 'data' || '{"data": {"n": 1.10, "m": 12345678901234567890.5}}')`
  expect(exact!.line).toContain('"data":{"m": 12345678901234567890.5, "n": 1.10}}')
})

test('the line of an event does not depend on session settings', async () => {
  const { sql } = await testDatabase()
  const row = { ...FULL, duration_ms: 1 / 3 }
  const usual = await lineOf(sql, row)
  await sql.begin(async (tx) => {
    await tx.unsafe(`set local timezone = 'Asia/Tokyo'; set local datestyle = 'German'`)
    expect(await lineOf(tx, row)).toBe(usual)
  })
})

test('every column of an event is in its line', async () => {
  const { sql } = await testDatabase()
  const columns = await sql<{ name: string }[]>`
    select column_name as name from information_schema.columns where table_name = 'events' order by ordinal_position`
  const usual = await lineOf(sql, FULL)
  const unseen: string[] = []
  // What events of version 0.1.0 have in place of their data is in the test above.
  for (const { name } of columns.filter(({ name }) => name !== 'parsed_data'))
    if ((await lineOf(sql, { ...FULL, [name]: OTHER[name as keyof typeof OTHER] ?? null })) === usual) unseen.push(name)
  expect(unseen).toEqual([])
})

const UUIDS = ['018f0000-0000-7000-8000-000000000001', '018f0000-0000-7000-8000-000000000002'] as const
const full = (id: string, n: number) => ({
  position: n,
  xid: String(n),
  id,
  project_id: `p${n}`,
  type: `t${n}`,
  occurred_at: `2026-01-0${n}T00:00:00Z`,
  recorded_at: `2026-01-0${n}T00:00:00.000001Z`,
  actor_type: `a${n}`,
  actor_id: `a${n}`,
  resource_type: `r${n}`,
  resource_id: `r${n}`,
  correlation_id: `c${n}`,
  causation_id: id,
  run_id: id,
  run_ref: `r${n}`,
  sequence: n,
  attempt: n,
  step: `s${n}`,
  tool: `t${n}`,
  agent_id: `a${n}`,
  req_id: `r${n}`,
  lease_id: `l${n}`,
  level: `l${n}`,
  status: `s${n}`,
  message: `m${n}`,
  duration_ms: n,
  data: { n },
})
const FULL = full(UUIDS[0], 1)
const OTHER = full(UUIDS[1], 2)
