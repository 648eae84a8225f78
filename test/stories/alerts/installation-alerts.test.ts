// Rules over the installation and over a job's own past.
import { describe, expect, test } from 'vitest'
import { checkNextSeals } from '#alerts/check-seals.ts'
import { bury, firing, rule } from '../../support/builders/alerts.ts'
import { testDatabase } from '../../support/db.ts'
import { callerOf, codeOf, httpYard, openNode, trigger, until } from '../../support/http-yard.ts'
import { sealAll } from '../../support/seal-all.ts'

const LOOK_MS = 30_000

/** A node, and its database as the operator sees it. */
async function yard() {
  const { sql, url } = await testDatabase()
  const node = await openNode(url, { RUNYARD_NODE: 'node-a' })
  return { sql, url, call: callerOf(node.address) }
}
type Yard = Awaited<ReturnType<typeof yard>>

const ruleOf = async ({ call }: Pick<Yard, 'call'>, id: string) => (await call('GET', `/v1/alerts/rules/${id}`)).body
/** Looks at the rule now rather than at its next turn. */
const lookedAgain = async (it: Yard, id: string) => {
  const before = (await ruleOf(it, id)).checked_at
  await it.sql`update alert_rules set check_at = now() where id = ${id}`
  return until(
    () => ruleOf(it, id),
    (found) => found.checked_at !== before,
    LOOK_MS,
  )
}
const summaryOf = async ({ call }: Pick<Yard, 'call'>, id: string) =>
  (await call('GET', `/v1/alerts?rule_id=${id}`)).body.data[0].summary

test('a log that was tampered with fires until it is mended, whether it was looked at before or not', {
  timeout: 120_000,
}, async () => {
  const it = await yard()
  const { call, sql } = it
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker', description: 'as it was' })
  await trigger(call, 'j')
  await sealAll(sql)
  const tamper = (to: string) =>
    sql`update events set actor_id = ${to} where type = 'job.created' and actor_id <> ${to}`
  const [event] = await sql<{ actorId: string }[]>`select actor_id as "actorId" from events where type = 'job.created'`
  const checkedAt = async () =>
    (await sql<{ at: Date | null }[]>`select checked_at as at from seal_checks`)[0]?.at?.getTime()
  /** Compares the log now, here or at the node, rather than at its next turn. */
  const checkedAgain = async () => {
    const before = await checkedAt()
    await sql`update seal_checks set check_at = now()`
    await checkNextSeals({ sql, reads: sql })
    await until(checkedAt, (at) => at !== before)
    return lookedAgain(it, id)
  }
  await tamper('somebody else')
  const id = await rule(call, { kind: 'seals_broken' })
  await firing(call, id, true, LOOK_MS)
  expect(await summaryOf(it, id)).toMatch(
    /^the log does not match its seals: The \d+ events that seal 1 covers are not/,
  )
  await tamper(event!.actorId)
  expect(await checkedAgain()).toMatchObject({ firing: false, value: 0, error: null })
  // What was found good is compared again a day later, and what is new at once.
  await tamper('somebody else')
  expect(await checkedAgain()).toMatchObject({ firing: false })
  await sql`update seal_checks set began_at = began_at - interval '25 hours'`
  expect(await checkedAgain()).toMatchObject({ firing: true, value: 1 })
  await tamper(event!.actorId)
  expect(await checkedAgain()).toMatchObject({ firing: false })
  await trigger(call, 'j')
  await sealAll(sql)
  await sql`
    delete from events
    where position = (select max(position) from events where type = 'run.created')`
  expect(await checkedAgain()).toMatchObject({ firing: true })
  // It is found again, and another pass does not begin before it is mended.
  await sql`update seal_checks set began_at = began_at - interval '25 hours'`
  expect(await checkedAgain()).toMatchObject({ firing: true })
})

test('a duty that fails fires with its name and its node, and resolves when it succeeds', {
  timeout: 120_000,
}, async () => {
  const it = await yard()
  const { call, sql } = it
  const id = await rule(call, { kind: 'duty_late', threshold: 5 })
  await sql`alter table operations rename to operations_away`
  // On a machine that is busy with other tests, other duties may be late as well.
  await until(
    () => call('GET', `/v1/alerts?rule_id=${id}`),
    (reply) => /^a background duty .* \d+ s: .*\boperations of node-a/.test(reply.body.data[0]?.summary),
    60_000,
  )
  await sql`alter table operations_away rename to operations`
  // A ring ends the pause of a duty that backs off.
  await call('POST', '/v1/operations', { kind: 'cancel', filter: { all: true } })
  await firing(call, id, false, 60_000)
})

test('what a node reported stops to count when the node stops, or no longer reports', { timeout: 60_000 }, async () => {
  const it = await yard()
  const { call, sql, url } = it
  const other = await openNode(url, { RUNYARD_NODE: 'node-b' })
  const nodes = async () =>
    (await sql<{ node: string }[]>`select node from node_reports order by node`).map((row) => row.node)
  await until(nodes, (found) => found.join() === 'node-a,node-b')
  await other.close()
  expect(await nodes()).toEqual(['node-a'])
  const late = JSON.stringify([{ duty: 'sealer', lateSecs: 900 }])
  await sql`
    insert into node_reports (node, reported_at, late_duties)
    values ('node-c', now(), ${late}::text::jsonb), ('node-d', now() - interval '2 minutes', ${late}::text::jsonb)`
  const id = await rule(call, { kind: 'duty_late', threshold: 600 })
  await firing(call, id, true, LOOK_MS)
  expect(await summaryOf(it, id)).toBe('a background duty has not succeeded for 900 s: sealer of node-c')
  await sql`update node_reports set reported_at = now() - interval '2 minutes' where node = 'node-c'`
  expect(await lookedAgain(it, id)).toMatchObject({ firing: false })
})

describe('storage', () => {
  test('the size of the database fires from the bound of the rule', { timeout: 60_000 }, async () => {
    const { call } = await httpYard()
    const id = await rule(call, { kind: 'database_size', threshold: 0.001 })
    await firing(call, id, true, LOOK_MS)
    expect(await summaryOf({ call }, id)).toMatch(/^the database has grown to 0(\.\d)? GiB$/)
    await call('PATCH', `/v1/alerts/rules/${id}`, { threshold: 1_000 })
    await firing(call, id, false, LOOK_MS)
  })

  test('the disk counts where the database is embedded, and is said to be unknown elsewhere', {
    timeout: 60_000,
  }, async () => {
    const { url } = await testDatabase()
    const call = callerOf((await openNode(url)).address)
    const id = await rule(call, { kind: 'disk_used', threshold: 0.000001 })
    const unknown = await until(
      () => ruleOf({ call }, id),
      (found) => found.checked_at !== null,
      LOOK_MS,
    )
    expect(unknown).toMatchObject({ firing: false, value: null, error: expect.stringContaining('Use database_size.') })
    await openNode(url, { RUNYARD_NODE: 'embedded' }, { databaseFolder: import.meta.dirname })
    await firing(call, id, true, LOOK_MS)
    const found = await ruleOf({ call }, id)
    expect([found.error, found.value > 0 && found.value < 100]).toEqual([null, true])
    expect(await summaryOf({ call }, id)).toMatch(/ full: [\d.]+ GiB free at embedded$/)
  })
})

test('a job that fails more than it did fires, one that always failed as much does not, nor one without a past', {
  timeout: 120_000,
}, async () => {
  const it = await yard()
  const { call, sql } = it
  for (const job of ['rising', 'steady', 'new']) await bury(call, job, 4)
  const past = (job: string, completed: number, failed: number) => sql`
    insert into end_counts (project_id, hour, job_id, state, shard, n)
    select j.project_id, date_bin('1 hour', now() - interval '5 hours', '2000-01-01Z'), j.id, ended.state, -1, ended.n
    from jobs j
    cross join (values ('completed', ${completed}::int), ('dead_letter', ${failed}::int)) ended (state, n)
    where j.slug = ${job}`
  await past('rising', 95, 5)
  await past('steady', 5, 95)
  await past('new', 1, 1)
  const settings = { kind: 'failure_rate_rise', min_runs: 4, threshold: 50 }
  const rising = await rule(call, { ...settings, job: 'rising' })
  const others = [
    await rule(call, { ...settings, job: 'steady' }),
    await rule(call, { ...settings, job: 'new' }),
    await rule(call, { ...settings, job: 'rising', min_runs: 5 }),
  ]
  await firing(call, rising, true, LOOK_MS)
  expect(await summaryOf(it, rising)).toBe(
    'the failure rate of the last 15 min is 95 percentage points above that of the day before (rising): 100% now, 5% before',
  )
  const values = await Promise.all(others.map((id) => lookedAgain(it, id)))
  expect(values.map(({ firing, value }) => [firing, value])).toEqual([
    [false, 5],
    [false, null],
    [false, null],
  ])
  // A past that is older than the rule looks back is none.
  await sql`update end_counts set hour = hour - interval '2 days' where shard = -1`
  expect(await lookedAgain(it, rising)).toMatchObject({ firing: false, value: null, past_days: 1 })
  await call('PATCH', `/v1/alerts/rules/${rising}`, { past_days: 3 })
  await firing(call, rising, true, LOOK_MS)
})

test('a rule that was written before a setting existed is shown with its default, and settings are checked by kind', async () => {
  const { sql, url } = await testDatabase()
  const call = callerOf((await openNode(url)).address)
  const id = await rule(call, { kind: 'failure_rate' })
  await sql`update alert_rules set settings = settings - 'pastDays'`
  expect((await call('GET', `/v1/alerts/rules/${id}`)).body).toMatchObject({ past_days: 1, window_secs: 900 })
  const wrong = async (body: object) => {
    const reply = await call('POST', '/v1/alerts/rules', { name: 'r', ...body })
    return [codeOf(reply), reply.body.error.details.fields[0].field]
  }
  expect([
    await wrong({ kind: 'failure_rate', past_days: 2 }),
    await wrong({ kind: 'failure_rate_rise', past_days: 31 }),
    await wrong({ kind: 'seals_broken', threshold: 2 }),
    await wrong({ kind: 'disk_used', job: 'j' }),
  ]).toEqual([
    ['invalid', 'past_days'],
    ['invalid', 'past_days'],
    ['invalid', 'threshold'],
    ['invalid', 'job'],
  ])
})
