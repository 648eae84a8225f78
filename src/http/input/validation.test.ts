import { Type } from 'typebox'
import { describe, expect, test } from 'vitest'
import { listEvents } from '#contract/events.ts'
import { createJob, updateJob } from '#contract/jobs.ts'
import { triggerRun } from '#contract/runs/runs.ts'
import { claimRuns } from '#contract/runs/workers.ts'
import { Refusal } from '#core/error.ts'
import { checkOf, compileValidator, isTime } from './validation.ts'

const read = (check: ReturnType<typeof compileValidator>, value: unknown) => {
  const checked = check(value)
  if (!('error' in checked)) return checked.value
  expect(checked.error).toBeInstanceOf(Refusal)
  return checked.error
}

describe('validation of a body', () => {
  const check = checkOf(createJob.body)

  test('all errors of a body are reported, field by field', () => {
    const body = {
      slug: 'Not A Slug',
      execution: 'carrier pigeon',
      max_attempts: '3',
      retry_delays_secs: [1, -1],
      tags: { ok: 1, ['k'.repeat(65)]: 'x' },
      run_ttl_secs: 0,
      nope: true,
    }
    expect(check(body)).toEqual([
      { field: 'nope', message: 'is not a known field' },
      { field: 'slug', message: 'must match pattern "^[a-z0-9][a-z0-9_-]{0,62}$"' },
      { field: 'execution', message: 'must be one of http, worker, external' },
      { field: 'max_attempts', message: 'must be integer' },
      { field: 'retry_delays_secs[1]', message: 'must be >= 0' },
      { field: 'run_ttl_secs', message: 'must be >= 1' },
      { field: `tags.${'k'.repeat(64)}…`, message: 'has a name that must not have more than 64 characters' },
      { field: 'tags.ok', message: 'must be string' },
    ])
  })

  test('missing fields of a body get the defaults of the contract', () => {
    const body = { slug: 'report', execution: 'worker' }
    expect(check(body)).toBeUndefined()
    expect(body).toMatchObject({ queue: 'default', max_attempts: 3, cron: null, enabled: true, retry_delays_secs: [] })
  })

  test('two bodies never share a default', () => {
    const bodies = [
      { slug: 'a', execution: 'worker' },
      { slug: 'b', execution: 'worker' },
    ] as { slug: string; execution: string; tags?: object }[]
    for (const body of bodies) check(body)
    expect(bodies[0]!.tags).not.toBe(bodies[1]!.tags)
  })

  test('the values of a body are not converted', () => {
    for (const priority of ['3', true, null, [3]]) expect(checkOf(triggerRun.body)({ priority })).toHaveLength(1)
    expect(checkOf(claimRuns.body)({ worker_id: 'w', buffer: 'true' })).toHaveLength(1)
  })

  test('the body of an update gets no defaults, accepts null where a field may be empty, and must have a field', () => {
    const change = { cron: null }
    expect(checkOf(updateJob.body)(change)).toBeUndefined()
    expect(change).toEqual({ cron: null })
    expect(checkOf(updateJob.body)({})).toHaveLength(1)
    expect(checkOf(updateJob.body)({ slug: null })).toHaveLength(1)
  })

  test('the free-form parts of a body are limited in size', () => {
    const large = { slug: 'a', execution: 'worker', payload_schema: { description: 'x'.repeat(65_536) } }
    expect(check(large)).toEqual([{ field: 'payload_schema', message: 'must not be larger than 65536 bytes of JSON' }])
  })

  test('a body with very many errors is answered with the first ones and the number of the rest', () => {
    const fields = check({ slug: 'a', execution: 'worker', retry_delays_secs: Array.from({ length: 1000 }, () => 'x') })
    expect(fields!.length).toBeLessThanOrEqual(51)
    expect(fields!.at(-1)!.message).toMatch(/^has \d+ more problems$/)
  })
})

describe('validation of a query', () => {
  const check = compileValidator(listEvents.query, 'querystring')

  test('query parameters are converted to the types of the contract', () => {
    expect(read(check, { limit: '7' })).toEqual({ limit: 7, order: 'desc' })
  })

  test('a list in a query may be repeated, comma-separated, or both', () => {
    expect(read(check, { type: 'a,b' })).toMatchObject({ type: ['a', 'b'] })
    expect(read(check, { type: ['a', 'b,c'] })).toMatchObject({ type: ['a', 'b', 'c'] })
    expect(read(check, { type: '' })).toMatchObject({ type: [] })
  })

  test.each([
    [{ limit: '0' }, 'limit'],
    [{ limit: '501' }, 'limit'],
    [{ limit: 'ten' }, 'limit'],
    [{ limit: '' }, 'limit'],
    [{ limit: ['1', '2'] }, 'limit'],
    [{ order: 'up' }, 'order'],
    [{ occurred_from: 'yesterday' }, 'occurred_from'],
    [{ typ: 'a' }, 'typ'],
    [{ agent_id: 'a\0b' }, 'agent_id'],
    [{ type: 'a,B' }, 'type[1]'],
  ])('the query %j is refused by name', (query, field) => {
    expect(read(check, query)).toMatchObject({ code: 'invalid', details: { fields: [{ field }] } })
  })
})

describe('validation of a path', () => {
  test('an id in a path that cannot exist is answered with not found', () => {
    const check = compileValidator(Type.Object({ event_id: Type.String({ format: 'uuid' }) }), 'params')
    expect(read(check, { event_id: 'x' })).toMatchObject({ code: 'event_not_found', details: { eventId: 'x' } })
    const runs = compileValidator(Type.Object({ run_id: Type.String() }), 'params')
    expect(read(runs, { run_id: 'a\0' })).toMatchObject({ code: 'run_not_found' })
  })

  test('a path parameter that must be a number and is not is explained', () => {
    const check = compileValidator(Type.Object({ version: Type.Integer({ minimum: 1 }) }), 'params')
    expect(read(check, { version: '2' })).toEqual({ version: 2 })
    expect(read(check, { version: 'two' })).toMatchObject({ code: 'invalid' })
  })
})

test.each([
  ['2026-01-31T09:30:00Z', true],
  ['2026-01-31T09:30:00.123456+02:00', true],
  ['2024-02-29T00:00:00Z', true],
  ['2026-02-29T00:00:00Z', false],
  ['2026-04-31T00:00:00Z', false],
  ['2026-13-01T00:00:00Z', false],
  ['2026-01-01T24:00:00Z', false],
  ['2026-01-01T23:59:60Z', false],
  ['2026-01-01T00:00:00', false],
  ['2026-01-01 00:00:00Z', false],
  ['2026-01-01', false],
  ['0000-01-01T00:00:00Z', false],
  ['+12026-01-01T00:00:00Z', false],
  ['9999-12-31T23:59:59-23:00', false],
])('%s is a valid time: %s', (text, expected) => {
  expect(isTime(text)).toBe(expected)
})
