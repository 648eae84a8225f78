import { expect, test } from 'vitest'
import { testDatabase } from '#test/support/db.ts'
import { instantText, microsOf, parseInstant } from './instant.ts'

test.each([
  ['2026-01-31 09:30:00+00', '2026-01-31T09:30:00.000Z'],
  ['2026-01-31 09:30:00.1+00', '2026-01-31T09:30:00.100Z'],
  ['2026-01-31 09:30:00.123+00', '2026-01-31T09:30:00.123Z'],
  ['2026-01-31 09:30:00.1234+00', '2026-01-31T09:30:00.123400Z'],
  ['2026-01-31 09:30:00.123456+00', '2026-01-31T09:30:00.123456Z'],
  ['2026-01-31 09:30:00.000001+00', '2026-01-31T09:30:00.000001Z'],
])('the PostgreSQL time %s is %s', (text, rfc3339) => {
  const at = parseInstant(text)
  expect(instantText(at)).toBe(rfc3339)
  expect(at.getTime()).toBe(Date.parse(text))
  expect(at.toISOString()).toHaveLength('2026-01-31T09:30:00.123Z'.length)
})

test('a time goes from the database into a cursor and back without losing a microsecond', async () => {
  const { sql } = await testDatabase()
  const [row] = await sql<{ at: Date }[]>`select '2026-01-31 09:30:00.123456Z'::timestamptz as at`
  const [again] = await sql<{ same: boolean }[]>`
    select ${instantText(row!.at)}::timestamptz = '2026-01-31 09:30:00.123456Z'::timestamptz as same`
  expect(again!.same).toBe(true)
})

test.each([
  ['2026-01-31T09:30:00Z', 0],
  ['2026-01-31T09:30:00.1Z', 100_000],
  ['2026-01-31T09:30:00.1234Z', 123_400],
  ['2026-01-31T09:30:00.123456789Z', 123_456],
  ['2026-01-31T11:30:00.000007+02:00', 7],
])('%s is so many microseconds', (text, micros) => {
  expect(microsOf(text)).toBe(Date.parse('2026-01-31T09:30:00Z') * 1000 + micros)
})
