import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DAY_MS, HOUR_MS } from '#core/durations.ts'
import { afterFailedDelivery, isWanted, RETRY_MS_MAX } from './webhook-rules.ts'
import type { WebhookFilter } from './webhooks.sql.ts'

const EVERYTHING: WebhookFilter = { types: [], jobs: [], agents: [], states: [], tags: {} }
const event = (type: string, more: object = {}) => ({ type, agentId: null, data: null, ...more })

test('an event is retried with waits that grow to an hour, until it is given up after a day', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.option(fc.integer({ min: 0, max: 2 * DAY_MS }), { nil: undefined }),
      (random, retryAfterMs) => {
        let nowMs = 1_000
        let attempt = 1
        for (;;) {
          const failed = { attempt, nowMs, eventFailedAtMs: 1_000, failingSinceMs: 1_000, disableAfterDays: 5 }
          const after = afterFailedDelivery({ ...failed, gone: false, retryAfterMs }, random)
          if (after.kind !== 'retry') {
            expect(after.kind).toBe('give up')
            break
          }
          expect(after.delayMs).toBeGreaterThanOrEqual(Math.min(2_500 * 2 ** (attempt - 1), HOUR_MS / 2))
          expect(after.delayMs).toBeLessThanOrEqual(HOUR_MS)
          nowMs += after.delayMs
          attempt++
        }
        expect(nowMs - 1_000).toBeGreaterThanOrEqual(RETRY_MS_MAX)
        expect(nowMs - 1_000).toBeLessThan(RETRY_MS_MAX + HOUR_MS)
        expect(attempt).toBeLessThan(70)
      },
    ),
  )
})

test('a webhook is disabled when its receiver is gone, or when nothing was delivered for its days', () => {
  const failed = { attempt: 1, nowMs: 3 * DAY_MS, eventFailedAtMs: 3 * DAY_MS, disableAfterDays: 3, gone: false }
  expect(afterFailedDelivery({ ...failed, failingSinceMs: 0 }, 0)).toEqual({ kind: 'disable', reason: 'failing' })
  expect(afterFailedDelivery({ ...failed, failingSinceMs: 1 }, 0)).toMatchObject({ kind: 'retry' })
  const gone = { ...failed, failingSinceMs: failed.nowMs, gone: true }
  expect(afterFailedDelivery(gone, 0)).toEqual({ kind: 'disable', reason: 'gone' })
})

test.each([
  ['*', 'a.b', true],
  ['a.*', 'a.b', true],
  ['a.*', 'a.b.c', true],
  ['a.*', 'a', false],
  ['a.*', 'ab.c', false],
  ['a.b', 'a.b', true],
  ['a.b', 'a.b.c', false],
  ['*', 'webhook.disabled', false],
  ['webhook.*', 'webhook.disabled', false],
])('the pattern %s and the type %s: %s', (pattern, type, wanted) => {
  expect(isWanted({ ...EVERYTHING, types: [pattern] }, event(type), undefined)).toBe(wanted)
})

test('a state is entered by a move, by the state that an event names, and by creation', () => {
  const filter: WebhookFilter = { ...EVERYTHING, states: ['queued'] }
  const entered = (type: string, data: unknown = null) => isWanted(filter, event(type, { data }), undefined)
  expect([entered('run.created'), entered('run.woken'), entered('run.rescheduled', { state: 'queued' })]).toEqual([
    true,
    true,
    true,
  ])
  expect([entered('run.created', { state: 'delayed' }), entered('run.completed'), entered('noted')]).toEqual([
    false,
    false,
    false,
  ])
})

test('a filter by jobs or tags wants no event without a run', () => {
  const run = { jobId: '0a', jobSlug: 'nightly', tags: new Map([['tier', 'gold']]) }
  for (const filter of [
    { jobs: ['nightly'] },
    { jobs: ['0A'] },
    { tags: { tier: 'gold' } },
    { tags: { tier: null } },
  ]) {
    expect(isWanted({ ...EVERYTHING, ...filter }, event('a'), run)).toBe(true)
    expect(isWanted({ ...EVERYTHING, ...filter }, event('a'), undefined)).toBe(false)
  }
  for (const filter of [{ jobs: ['other'] }, { tags: { tier: 'tin' } }, { tags: { constructor: null } }])
    expect(isWanted({ ...EVERYTHING, ...filter }, event('a'), run)).toBe(false)
})
