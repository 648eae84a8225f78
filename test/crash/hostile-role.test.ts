import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { migrate } from '#postgres/migrate.ts'
import { connect, type Sql } from '#postgres/sql.ts'
import { emptyDatabase } from '../support/db.ts'
import { callerOf, KEY, openNode, until } from '../support/http-yard.ts'
import { sealAll } from '../support/seal-all.ts'

// Each of these is somebody's default somewhere, and each changes a text, a lock, a limit or a plan.
const HOSTILE = {
  DateStyle: 'German, DMY',
  IntervalStyle: 'sql_standard',
  TimeZone: 'Asia/Kathmandu',
  bytea_output: 'escape',
  extra_float_digits: '-15',
  client_encoding: 'LATIN1',
  search_path: 'elsewhere',
  standard_conforming_strings: 'off',
  transform_null_equals: 'on',
  array_nulls: 'off',
  default_transaction_isolation: 'serializable',
  default_transaction_deferrable: 'on',
  statement_timeout: '1',
  lock_timeout: '1',
  idle_in_transaction_session_timeout: '1',
  idle_session_timeout: '1',
  enable_indexscan: 'off',
  enable_indexonlyscan: 'off',
  enable_bitmapscan: 'off',
  jit: 'on',
  work_mem: '64kB',
  plan_cache_mode: 'force_custom_plan',
} as const

/** A role of the test's database, without any special right, that has these settings. */
async function roleWith(sql: Sql, url: string, settings: Record<string, string>): Promise<string> {
  const role = `hostile_${randomUUID().slice(0, 8)}`
  const database = new URL(url).pathname.slice(1)
  await sql.unsafe(`create role ${role} login password 'secret'`)
  await sql.unsafe(`alter database ${database} owner to ${role}`)
  for (const [name, value] of Object.entries(settings)) {
    const quoted = value
      .split(', ')
      .map((part) => `'${part}'`)
      .join(', ')
    await sql.unsafe(`alter role ${role} set ${name} = ${quoted}`)
  }
  onTestFinished(
    async () =>
      void (await sql.unsafe(`reassign owned by ${role} to current_user; drop owned by ${role}; drop role ${role}`)),
  )
  const own = new URL(url)
  Object.assign(own, { username: role, password: 'secret' })
  return own.href
}

test('no setting of its database role changes what a node does', async () => {
  const { sql, url } = await emptyDatabase()
  const node = await openNode(await roleWith(sql, url, HOSTILE))
  const call = callerOf(node.address)
  await until(
    () => call('GET', '/health/ready'),
    (reply) => reply.status === 200,
  )
  const payload = { text: "it's a \\ and a ’", n: 0.1, none: null }
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker', tags: { of: "o'b\\" } })
  const scheduled_at = new Date(Date.now() + 1_500).toISOString()
  const { body: run } = await call('POST', '/v1/jobs/j/runs', { payload, scheduled_at })
  expect(run.scheduled_at).toBe(scheduled_at)
  const claimed = await call('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 10 })
  expect(claimed.body.runs[0]).toMatchObject({ run: { id: run.id } })
  // All at once: a serializable default would refuse some of them.
  const triggers = await Promise.all(Array.from({ length: 40 }, () => call('POST', '/v1/jobs/j/runs', { payload })))
  expect(new Set(triggers.map((reply) => reply.status))).toEqual(new Set([201]))
  const settlement = {
    run_id: run.id,
    lease_token: claimed.body.runs[0].lease_token,
    outcome: 'completed',
    result: payload,
  }
  await call('POST', '/v1/workers/settle', { settlements: [settlement] })
  expect((await call('GET', `/v1/runs/${run.id}`)).body).toMatchObject({
    status: 'completed',
    payload,
    result: payload,
  })

  const bytes = Buffer.from(Array.from({ length: 4_096 }, (_, i) => i % 256))
  const form = new FormData()
  form.append('file', new File([bytes], 'all-bytes'))
  const headers = { authorization: `Bearer ${KEY}` }
  const upload = await fetch(`${node.address}/dynamiq/v1/files`, { method: 'POST', headers, body: form })
  const { data: file } = (await upload.json()) as { data: { id: string } }
  const download = await fetch(`${node.address}/v1/files/${file.id}`, { headers })
  expect(Buffer.from(await download.arrayBuffer()).equals(bytes)).toBe(true)
  // Sealed by a session with one set of defaults, compared by one with another.
  await sealAll(sql)
  expect((await call('GET', '/v1/events/verify')).body).toMatchObject({ ok: true, first_problem: null, windows: 1 })
})

test("tables in a schema that is only in the role's search_path are reported, not ignored", async () => {
  const { sql, url } = await emptyDatabase()
  const roleUrl = await roleWith(sql, url, {})
  const owner = connect(roleUrl, { max: 1, name: 'test' })
  onTestFinished(() => owner.end({ timeout: 1 }))
  await owner.unsafe('create schema elsewhere')
  const there = connect(`${roleUrl}?search_path=elsewhere`, { max: 1, name: 'test' })
  onTestFinished(() => there.end({ timeout: 1 }))
  await migrate(there)
  await expect(migrate(owner)).rejects.toThrow(/in the schema elsewhere.*\?search_path=elsewhere to DATABASE_URL/s)
  await migrate(there)
})
