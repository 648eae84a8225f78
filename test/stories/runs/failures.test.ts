// What failed: filters of runs by their end, groups of failures, and counts of ends.
import { describe, expect, test } from 'vitest'
import { HOUR_MS } from '#core/durations.ts'
import { foldEnds } from '#log/counts/end-counts.sql.ts'
import { connect } from '#postgres/sql.ts'
import { addFailingJob, failClaimed, failRuns, settleClaimed } from '../../support/builders/failing-runs.ts'
import { type Call, codeOf, httpYard, trigger, until } from '../../support/http-yard.ts'

const idsOf = (reply: { body: { data: { id: string }[] } }) => reply.body.data.map((run) => run.id)
const runsWhere = (call: Call, query: string) => call('GET', `/v1/runs?${query}`)

describe('the list of runs', () => {
  test('finds runs by the code of the error that they ended with, until they are redriven', async () => {
    const { call } = await httpYard()
    await addFailingJob(call, 'a')
    const [dead, final] = await failRuns(call, 'a', [
      { error: 'no', error_code: 'card_declined' },
      { error: 'no', error_code: 'card_declined', retryable: false },
      { error: 'no', error_code: 'other' },
      { error: 'no' },
    ])
    expect(idsOf(await runsWhere(call, 'error_code=card_declined'))).toEqual([final, dead])
    expect(idsOf(await runsWhere(call, 'error_code=card_declined&status=failed'))).toEqual([final])
    await call('POST', `/v1/runs/${dead}/dlq-replay`)
    expect(idsOf(await runsWhere(call, 'error_code=card_declined'))).toEqual([final])
    expect(idsOf(await runsWhere(call, 'error_code=never'))).toEqual([])
  })

  test('does not take an error that was retried for the end of a run', async () => {
    const { call } = await httpYard()
    await addFailingJob(call, 'a', { max_attempts: 2, retry_strategy: 'fixed', retry_initial_delay_secs: 60 })
    await failRuns(call, 'a', [{ error: 'no', error_code: 'flaky' }])
    expect(idsOf(await runsWhere(call, 'error_code=flaky'))).toEqual([])
    expect((await call('GET', '/v1/failures')).body.data).toEqual([])
  })

  test('finds runs by when they ended', async () => {
    const { call } = await httpYard()
    await addFailingJob(call, 'a')
    const [first, second] = await failRuns(call, 'a', [{ error: 'one' }, { error: 'two' }])
    await trigger(call, 'a')
    const ended = (await call('GET', `/v1/runs/${second}`)).body.finished_at
    const after = new Date(Date.parse(ended) + 60_000).toISOString()
    expect(idsOf(await runsWhere(call, `finished_from=${ended}&finished_to=${after}`))).toEqual([second])
    expect(idsOf(await runsWhere(call, `finished_to=${ended}`))).toEqual([first])
    expect(idsOf(await runsWhere(call, `finished_from=${after}`))).toEqual([])
  })

  test.each(['error_group=xyz', 'error_group=', 'error_code=', 'finished_from=yesterday'])(
    'refuses ?%s by the name of the field',
    async (query) => {
      const { call } = await httpYard()
      const reply = await runsWhere(call, query)
      expect(reply.status).toBe(422)
      expect(reply.body.error.details.fields[0].field).toBe(query.split('=')[0])
    },
  )
})

describe('failures', () => {
  test('are of one group when job, code and masked message are the same', async () => {
    const { call } = await httpYard()
    await addFailingJob(call, 'a')
    const other = await addFailingJob(call, 'b')
    const [, latest] = await failRuns(call, 'a', [
      { error: 'Order 17 of "ada" was refused', error_code: 'refused' },
      { error: 'Order 4 of "bob" was refused', error_code: 'refused' },
    ])
    await failRuns(call, 'a', [{ error: 'Order 4 was refused' }])
    await failRuns(call, 'b', [{ error: 'Order 9 of "eve" was refused', error_code: 'refused' }])
    const { body } = await call('GET', '/v1/failures')
    expect(body.unit).toBe('hour')
    expect(body.data.map((it: { count: number }) => it.count)).toEqual([1, 1, 2])
    const group = body.data[2]
    expect(group).toMatchObject({
      job_slug: 'a',
      error_code: 'refused',
      message: 'Order # of “…” was refused',
      versions: [{ version: 1, count: 2 }],
      sample: { run_id: latest, error: 'Order 4 of "bob" was refused' },
    })
    expect(group.counts).toHaveLength(24)
    expect(group.counts.reduce((sum: number, n: number) => sum + n)).toBe(2)
    expect(group.first_seen_at < group.last_seen_at).toBe(true)
    expect(idsOf(await runsWhere(call, `error_group=${group.error_group}`))).toHaveLength(2)
    const ofJob = await call('GET', '/v1/failures?job=b')
    expect(ofJob.body.data).toMatchObject([{ job_id: other.id, count: 1 }])
    const one = await call('GET', `/v1/failures?error_group=${group.error_group}`)
    expect(one.body.data).toEqual([group])
    expect(codeOf(await call('GET', '/v1/failures?job=nobody'))).toBe('job_not_found')
  })

  test('stay counted when their runs are redriven or dismissed, and fail once per end', async () => {
    const { call } = await httpYard()
    await addFailingJob(call, 'a')
    const [run] = await failRuns(call, 'a', [{ error: 'no' }])
    await call('POST', `/v1/runs/${run}/dlq-replay`)
    await failClaimed(call, 'a', { error: 'no' })
    await call('DELETE', `/v1/runs/${run}`)
    const [group] = (await call('GET', '/v1/failures')).body.data
    expect(group.count).toBe(2)
    expect(idsOf(await runsWhere(call, `error_group=${group.error_group}&status=failed`))).toEqual([run])
    const { body } = await call('GET', '/v1/runs/aggregate?group_by=status')
    expect(body.data).toEqual([{ status: 'dead_letter', count: 2 }])
  })

  test('come in pages, the group that failed last first', async () => {
    const { call } = await httpYard()
    await addFailingJob(call, 'a')
    await failRuns(call, 'a', [{ error: 'one' }, { error: 'two' }, { error: 'three' }, { error: 'one' }])
    const seen: string[] = []
    for (let cursor = ''; cursor !== 'null'; ) {
      const page = await call('GET', `/v1/failures?limit=1${cursor && `&cursor=${cursor}`}`)
      seen.push(page.body.data[0].message)
      cursor = String(page.body.next_cursor)
    }
    expect(seen).toEqual(['one', 'three', 'two'])
    expect(codeOf(await call('GET', '/v1/failures?cursor=abc'))).toBe('invalid_cursor')
  })

  test('of a long window are counted by the day, with the time they were first seen', async () => {
    const { call, url } = await httpYard()
    await addFailingJob(call, 'a')
    await failRuns(call, 'a', [{ error: 'old' }])
    const sql = connect(url)
    await sql`update failure_counts set hour = hour - interval '5 days', first_at = first_at - interval '5 days',
      last_at = last_at - interval '5 days'`
    await failRuns(call, 'a', [{ error: 'old' }])
    expect((await call('GET', '/v1/failures')).body.data[0].count).toBe(1)
    const from = new Date(Date.now() - 6 * 24 * HOUR_MS).toISOString()
    const { body } = await call('GET', `/v1/failures?from=${from}`)
    expect(body.unit).toBe('day')
    expect(body.data[0].counts.filter((n: number) => n > 0)).toEqual([1, 1])
    expect(Date.parse(body.data[0].last_seen_at) - Date.parse(body.data[0].first_seen_at)).toBeGreaterThan(
      100 * HOUR_MS,
    )
    // Folded once their hour is over, they read the same.
    expect(await foldEnds(sql, 1_000)).toBe(1)
    expect((await call('GET', `/v1/failures?from=${from}`)).body).toEqual(body)
    const tooLong = await call('GET', `/v1/failures?from=${new Date(Date.now() - 40 * 24 * HOUR_MS).toISOString()}`)
    expect(tooLong.body.error.details.fields).toEqual([{ field: 'from', message: 'must be within 31 days before to' }])
    await sql.end()
  })

  test('that are folded late show the error and the run of the latest one', async () => {
    const { call, url } = await httpYard()
    await addFailingJob(call, 'a')
    const sql = connect(url)
    const age = () => sql`update failure_counts set hour = hour - interval '2 hours' where shard >= 0`
    await failRuns(call, 'a', [{ error: 'order 1 is gone' }])
    await age()
    await foldEnds(sql, 1_000)
    const [later] = await failRuns(call, 'a', [{ error: 'order 2 is gone' }])
    await age()
    await foldEnds(sql, 1_000)
    const rows = await sql`select n, run_id, error from failure_counts`
    expect(rows).toMatchObject([{ n: 2, run_id: later, error: 'order 2 is gone' }])
    await sql.end()
  })

  test('of another project are not shown', async () => {
    const { call } = await httpYard()
    await addFailingJob(call, 'a')
    await failRuns(call, 'a', [{ error: 'ours' }])
    const other = await call('POST', '/v1/projects', { id: 'other', name: 'Other' })
    const key = other.body.key.key ?? other.body.key
    expect((await call('GET', '/v1/failures', undefined, { key })).body.data).toEqual([])
    expect((await call('GET', '/v1/runs/aggregate', undefined, { key })).body.data).toEqual([])
  })

  test('without an error or a job are grouped too', async () => {
    const { call } = await httpYard()
    const log = (run_id: string) => call('POST', '/v1/events', { run_id, type: 'run.failed' })
    await log('theirs-1')
    await log('theirs-2')
    const { body } = await call('GET', '/v1/failures')
    expect(body.data).toMatchObject([{ job_id: null, job_slug: null, count: 2, versions: [] }])
    expect(idsOf(await runsWhere(call, `error_group=${body.data[0].error_group}`)).sort()).toEqual([
      'theirs-1',
      'theirs-2',
    ])
  })
})

describe('an operation', () => {
  test('redrives the dead letters of one group and leaves the others', async () => {
    const { call } = await httpYard()
    await addFailingJob(call, 'a')
    await failRuns(call, 'a', [{ error: 'one' }, { error: 'one' }, { error: 'two' }])
    const group = (await call('GET', '/v1/failures')).body.data.find((it: { message: string }) => it.message === 'one')
    const filter = { error_group: group.error_group }
    const preview = await call('POST', '/v1/operations', { kind: 'redrive', filter, dry_run: true })
    expect(preview.body).toMatchObject({ matched: 2, matched_is_exact: true })
    await call('POST', '/v1/operations', { kind: 'redrive', filter })
    const { body } = await until(
      () => call('GET', '/v1/runs'),
      (reply) => reply.body.data.filter((it: { status: string }) => it.status === 'queued').length === 2,
    )
    const left = body.data.filter((it: { status: string }) => it.status !== 'queued')
    expect(left).toMatchObject([{ status: 'dead_letter', error: 'two' }])
  })
})

describe('the aggregate of runs', () => {
  test('counts ends by hour, job and status', async () => {
    const { call } = await httpYard()
    const a = await addFailingJob(call, 'a')
    await addFailingJob(call, 'b')
    await failRuns(call, 'a', [{ error: 'one' }, { error: 'two', retryable: false }])
    await trigger(call, 'b')
    await settleClaimed(call, 'b', { outcome: 'completed' })
    const canceled = await trigger(call, 'b')
    await call('DELETE', `/v1/runs/${canceled.id}`)

    const { body } = await call('GET', '/v1/runs/aggregate')
    expect(body.has_more).toBe(false)
    const byStatus = body.data.map((it: { status: string; count: number }) => `${it.status} ${it.count}`).sort()
    expect(byStatus).toEqual(['canceled 1', 'completed 1', 'dead_letter 1', 'failed 1'])
    expect(body.data[0].hour.endsWith(':00:00.000Z')).toBe(true)
    const byJob = await call('GET', '/v1/runs/aggregate?group_by=job,status&status=failed,dead_letter')
    expect(byJob.body.data).toEqual([
      { job_id: a.id, job_slug: 'a', status: 'dead_letter', count: 1 },
      { job_id: a.id, job_slug: 'a', status: 'failed', count: 1 },
    ])
    const byDay = await call('GET', '/v1/runs/aggregate?job=b&group_by=day')
    expect(byDay.body.data).toEqual([{ day: body.data[0].hour.slice(0, 10), count: 2 }])
    for (const [query, field] of [
      ['group_by=hour,day', 'group_by'],
      ['group_by=job,job', 'group_by'],
      ['group_by=minute', 'group_by[0]'],
      ['status=queued', 'status[0]'],
      ['from=2020-01-01T00:00:00Z', 'from'],
    ]) {
      const refused = await call('GET', `/v1/runs/aggregate?${query}`)
      expect(refused.body.error?.details.fields[0].field, query).toBe(field)
    }
  })
})
