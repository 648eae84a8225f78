import fc from 'fast-check'
import { expect, test } from 'vitest'
import { retryAfterMs } from './retry-after.ts'

const NOW = Date.UTC(1994, 10, 6, 8, 49, 37)
const DAY = 86_400_000

test.each([
  ['0', 0],
  ['120', 120_000],
  ['  7 ', 7_000],
  ['0.5', 500],
  ['1.0004', 1_001],
  ['86400', DAY],
  ['999999999', DAY],
])('Retry-After in seconds: %j is %i ms', (header, waitMs) => {
  expect(retryAfterMs(header, NOW)).toBe(waitMs)
})

test.each([
  ['Sun, 06 Nov 1994 08:50:07 GMT', 30_000],
  ['Sunday, 06-Nov-94 08:50:07 GMT', 30_000],
  ['Sun Nov  6 08:50:07 1994', 30_000],
  ['Sun, 06 Nov 1994 08:00:00 GMT', 0],
  ['Wed, 06 Nov 2024 08:49:37 GMT', DAY],
])('Retry-After as a date: %j is %i ms from now', (header, waitMs) => {
  expect(retryAfterMs(header, NOW)).toBe(waitMs)
})

test.each([
  undefined,
  '',
  'soon',
  '-5',
  '+5',
  '1e9',
  '0x10',
  'Infinity',
  'NaN',
  '.5',
  '5.',
  '5, 5',
  '1,5',
  '٣',
  '1994-11-06T08:50:07Z',
  'Sun, 06 Nov 1994 08:50:07',
  'Sun, 06 Nov 1994 08:50:07 CET',
  'Sun, 06 Nov 1994 99:99:99 GMT',
  'Sun, 06 Foo 1994 08:50:07 GMT',
])('Retry-After %j is ignored', (header) => {
  expect(retryAfterMs(header, NOW)).toBeUndefined()
})

test('for any Retry-After value, the wait is between zero and a day, or there is none', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 0, max: 4e12 }), (header, nowMs) => {
      const waitMs = retryAfterMs(header, nowMs)
      return waitMs === undefined || (waitMs >= 0 && waitMs <= DAY)
    }),
  )
})

test('a date as HTTP writes it is read back exactly', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 86_399 }), fc.integer({ min: 0, max: 4e9 }), (seconds, nowSeconds) => {
      const header = new Date((nowSeconds + seconds) * 1_000).toUTCString()
      expect(retryAfterMs(header, nowSeconds * 1_000)).toBe(seconds * 1_000)
    }),
  )
})
